// The lines of a transcript file, which its program appends to and never syncs: whatever a kill or a power cut left half written
// stands there for good, and the next line is glued to it.

/** How the programs' own lines begin; what is inside them may begin so too, and then does not reach to the line's end. */
const BEGINNINGS = /\{"(?:type|parentUuid)":/g;
/** Far more beginnings than the line glued to a torn one lies behind. */
const TRIES_MAX = 200;

/** Every whole object of the file, in its order. Nothing is glued to the last line yet. */
export function transcriptLines(text: string): object[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    if (line === "") return [];
    return objectIn(line) ?? (at < lines.length - 1 ? afterTorn(line) : null) ?? [];
  });
}

function afterTorn(line: string): object | null {
  let tries = 0;
  for (const { index } of line.matchAll(BEGINNINGS)) {
    if (++tries > TRIES_MAX) return null;
    const found = objectIn(line.slice(index));
    if (found !== null) return found;
  }
  return null;
}

function objectIn(json: string): object | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
