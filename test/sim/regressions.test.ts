// Seeds that once failed, each with the promise it broke and why. A seed means what it meant as long as the simulator draws the
// same numbers in the same order; afterwards it is one more seed, and the sentence beside it is still worth reading.

import { expect, it } from "vitest";
import { simulate } from "./simulate.ts";

const FOUND: readonly [seed: number, what: string][] = [
  [1, "a prompt's hook that came before the session file said busy ended its own message as interrupted"],
  [17, "a terminal host that did not answer at the wrong moment left the queue standing for ever"],
  [51, "a hook from before the turn's end passed for the word that a letter had arrived"],
  [37, "a full disk at the moment of a crash took the daemon down"],
  [50, "a full disk in a timer took the daemon down"],
  [176, "a screen that could not be read once kept an agent `starting` for ever"],
  [197, "a letter in a hook's answer was held up by what stood in the prompt box"],
  [13, "the end of an earlier prompt's time to be believed cleared a later prompt"],
  [73, "a message typed behind a person's Enter got that turn's end and reply"],
  [222, "a new conversation without a transcript made a message unknown"],
  [240, "a new daemon did not recognise its own letter in the box and waited for ever"],
  [233, "a restart that a full disk refused was never tried again"],
  [109, "a lost file event made a running turn count as over"],
  [6, "a message of a deleted agent ended as unknown though the transcript told"],
  [31, "a message was looked for in the new conversation only, and sent a second time"],
  [59, "a letter whose hook answer was lost passed for delivered"],
  [144, "a letter that the model had from a hook's answer was typed as well"],
  [469, "a daemon that died right after a start forgot the process, and two shared a conversation"],
  [493, "keys that the terminal still held were typed again, behind later messages"],
  [375, "an Enter went to a draft that was typed where nobody counts keys"],
  [38, "a lifetime with a fraction of a millisecond broke the command"],
  [1058, "a grace that a full disk held up ended the turn after it"],
  [1727, "an agent that could not be ended at once was never ended"],
  [1335, "a draft begun right after two had been parted was deleted"],
  [104, "a person's answer to a dialog made the letter in the box look foreign for ever"],
  [5352, "a letter at the turn's end overtook one that the program kept in its own queue"],
  [3133, "a transcript that could not be read was taken for one that does not exist"],
  [26, "a letter that the gate refused was typed again although its agent had not heard the refusal and taken it"],
  [692, "an urgent note within a turn overtook one that the program kept in its own queue"],
  [8998, "a file left by a power cut lent its conversation to another agent whose process had the same pid"],
  [6698, "a stale Enter sent an expired letter to the model because a person's word stood beside it"],
  [48, "a prompt taken while no daemon lived, by an agent killed before its transcript told, was sent a second time"],
  [8, "a letter in a hook's answer whose agent was killed in that moment was sent a second time"],
  [302, "a letter left in the box by a daemon that died went to the model again with a person's next words"],
  [656, "a person's Enter amid our wiping of the box sent half a header to the model"],
  [3014, "a full disk while an agent was closed left what it had taken without a verdict until the next start"],
  [3558, "a peer's message overtook one that was typed into a turn that a person had just begun"],
  [20097, "a message whose refusal was not heard was called expired while the model had it"],
  [20160, "an agent that was deleted while the daemon stood still had its running turn judged"],
  [20734, "a full disk right after a start left a process nobody knew of, and two shared a conversation"],
  [21016, "a message taken in a conversation that was cleared again before anybody could look was sent a second time"],
  [26622, "a turn whose API was being retried counted as over"],
  [29124, "Enter was pressed on a prompt that an interrupt had put back while its transcript could not be read"],
  [32587, "a message that an earlier daemon had delivered got the reply of a turn that was not its own"],
  [53585, "a permission hook that came after its answer at the terminal left an agent `waiting` for ever"],
  [49426, "a full disk while an agent was deleted left its running message without a verdict"],
  [99951, "a message handed over into a running turn ended with that turn because its transcript could not be read"],
  [
    80728,
    "a message was unknown within a tenth of a second because its transcript could not be read, and the model had it",
  ],
  [87989, "a header with a person's words amid it went to the model"],
  [109472, "a letter behind half of a paste's bracket stood in the box for ever"],
  [
    137450,
    "an agent deleted while it was starting counted as left behind for ever, and what it had taken got no verdict",
  ],
  [
    131239,
    "as many keys of a person as in the terminal before counted as none, and a message was typed behind their Enter",
  ],
  [151187, "a message that went back while the disk took its time was handed over all the same, and sent again"],
  [159146, "a person's Enter amid our wiping of the box sent the model a message without its body"],
  [161179, "a session file that was late to say idle ended the turn that had begun meanwhile"],
  [185969, "a hook that came when its agent had long been interrupted counted as the message's arrival"],
  [207615, "a daemon that had stood still itself took its own silence for the agent's, and sent a message twice"],
  [203775, "a letter behind the last sign of a paste's bracket stood in the box for ever"],
  [305, "a prompt box that was half drawn when it was looked at held the queue for ever"],
  [326918, "a deleted agent's messages stayed queued when its terminal could not be asked at once"],
  [334311, "an agent that was being deleted took a message that had been said to have failed"],
  [948, "a draft was put aside over another one, which was lost"],
  [
    362543,
    "a process that outlived its terminal was forgotten when its agent was closed, and a second one took its conversation",
  ],
  [455879, "a letter pasted behind words that their person left alone stood in the box for ever"],
  [38043, "a start that a full disk refused left an agent `starting` for ever"],
];

it("what failed once holds: every seed of the list", async () => {
  const run = await simulate(["--list", FOUND.map(([seed]) => seed).join(",")]);
  expect(run.output).toContain(`${FOUND.length} seeds, 0 failed`);
}, 120_000);

it("every seed is in the list once", () => {
  expect(new Set(FOUND.map(([seed]) => seed)).size).toBe(FOUND.length);
});
