// What a transcript's lines say about the turn of one message. Pure; which lines say what is for the kinds to know.

import type { TranscriptReading, TurnLine } from "./kind.ts";

/** Judges the lines, oldest first, about the message that carries `marker`, from its last appearance on; with an empty marker about the
 *  last turn. A queued prompt counts until it was taken back into the box: the program delivers it without asking again. */
export function readTurn(lines: readonly TurnLine[], marker: string): TranscriptReading {
  const isOfIt = (line: TurnLine) => "text" in line && carries(line.text, marker);
  let at = lines.findLastIndex((line) => (line.is === "prompt" || line.is === "joined") && isOfIt(line));
  const isTurn = at >= 0;
  if (!isTurn) at = lines.findLastIndex((line) => line.is === "queued" && isOfIt(line));
  const isTakenBack = !isTurn && lines.slice(at + 1).some((line) => line.is === "taken_back" && isOfIt(line));
  const reading: TranscriptReading = {
    hasMarker: at >= 0 && !isTakenBack,
    isQueued: at >= 0 && !isTurn && !isTakenBack,
    interrupted: false,
    apiError: null,
    gaveUp: false,
    reply: null,
  };
  if (!isTurn) return reading; // Its own turn has not begun: what follows belongs to the turn before.
  for (const line of lines.slice(at + 1)) {
    if (line.is === "prompt") break;
    if (line.is === "interrupt") return { ...reading, interrupted: true };
    if (line.is === "api_error") Object.assign(reading, { apiError: line.text, gaveUp: line.isFinal });
    if (line.is === "reply") {
      reading.reply = line.text;
      Object.assign(reading, { apiError: null, gaveUp: false }); // It came through after all.
    }
  }
  return reading;
}

/** Whether the text holds the marker as such: behind a backslash it is a quotation. */
function carries(text: string, marker: string): boolean {
  for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + 1)) {
    if (marker === "" || text[at - 1] !== "\\") return true;
  }
  return false;
}
