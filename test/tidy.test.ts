// The house rules that a compiler does not know. Which room may import which, and what may be touched only in a few places,
// is read from the tables of ARCHITECTURE.md: change the document, and the rule has changed.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const src = join(root, "src");

/** Three or four screens; what grows past it holds two ideas. */
const FILE_LINES_MAX = 400;
/** Tests are lists of cases; they may be longer. */
const TEST_LINES_MAX = 600;

interface Import {
  /** A path below src/, or a package's name. */
  target: string;
  isInside: boolean;
  isTypeOnly: boolean;
}

interface SourceFile {
  /** Below src/, such as "agents/run.ts". */
  path: string;
  room: string;
  isTest: boolean;
  text: string;
  imports: Import[];
  /** Names as the doors' table writes them: `Date.now`, `new Date()`, `setTimeout`. */
  touches: Set<string>;
}

interface Room {
  line: number;
  imports: string[];
}

const architecture = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
const rooms = new Map(
  tableUnder("## Rooms").map(([line, room, imports]) => [
    room ?? "",
    { line: Number(line), imports: words(imports) } satisfies Room,
  ]),
);
const doors = tableUnder("### Doors").map(([what, onlyIn, instead]) => ({
  names: [...(what ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""),
  onlyIn: words(onlyIn),
  instead,
}));
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .sort()
  .map(readSource);
const shipped = files.filter(({ isTest }) => !isTest);

it("has a row for every room, and no row for a room that is not there", () => {
  expect([...rooms.keys()].sort()).toEqual([...new Set(files.map(({ room }) => room))].sort());
});

it("lets rooms import only from lower lines, in the table itself", () => {
  const wrong = [...rooms].flatMap(([name, { line, imports }]) =>
    imports.filter((other) => !((rooms.get(other)?.line ?? Number.NaN) < line)).map((other) => `${name} -> ${other}`),
  );
  expect(wrong).toEqual([]);
});

it("imports only from the rooms that the table allows", () => {
  const wrong = shipped.flatMap(({ path, room, imports }) =>
    imports
      .filter(({ target, isInside }) => isInside && !isAllowed(room, target))
      .map(({ target }) => `${path} imports ${target}; ${room} may import: ${rooms.get(room)?.imports.join(", ")}`),
  );
  expect(wrong).toEqual([]);
});

it("has no cycle between files", () => {
  expect(cycles(new Map(shipped.map(({ path, imports }) => [path, imports.map(({ target }) => target)])))).toEqual([]);
});

it("touches clocks, chance, processes, sockets and libraries only where their door is", () => {
  const wrong = doors.flatMap(({ names, onlyIn, instead }) =>
    shipped
      .filter(({ path }) => !onlyIn.some((place) => path === place || path.startsWith(`${place}/`)))
      .flatMap((file) =>
        names.filter((name) => uses(file, name)).map((name) => `${file.path}: ${name}; instead: ${instead}`),
      ),
  );
  expect(wrong).toEqual([]);
});

it("names no place in the doors' table that is gone", () => {
  const places = new Set(doors.flatMap(({ onlyIn }) => onlyIn));
  expect(
    [...places].filter((place) => !files.some(({ path }) => path === place || path.startsWith(`${place}/`))),
  ).toEqual([]);
});

it("opens every file with what lives there", () => {
  const silent = shipped.filter(({ text }) => !text.startsWith("// ")).map(({ path }) => path);
  expect(silent).toEqual([]);
});

it("keeps files short", () => {
  const long = files
    .map(({ path, text, isTest }) => ({
      path,
      lines: text.split("\n").length - 1,
      max: isTest ? TEST_LINES_MAX : FILE_LINES_MAX,
    }))
    .filter(({ lines, max }) => lines > max)
    .map(({ path, lines, max }) => `${path}: ${lines} lines, at most ${max}`);
  expect(long).toEqual([]);
});

it("leaves no work marked as undone", () => {
  const marks = /\bTODO:|\bFIXME\b/; // "TODO" alone is a file that tasks are kept in
  expect(files.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([]);
});

it("locks every platform's optional packages, so that `npm ci` works on all of them", () => {
  const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  const missing = Object.values(lock.packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => lock.packages[`node_modules/${name}`] === undefined);
  expect(missing, "run: node scripts/complete-lock.mjs").toEqual([]);
});

function isAllowed(room: string, target: string): boolean {
  const other = roomOf(target);
  return other === room || (rooms.get(room)?.imports.includes(other) ?? false);
}

function roomOf(path: string): string {
  return path === "main.ts" ? "main" : (path.split("/")[0] ?? "");
}

/** A package's door is crossed by loading it, not by naming its types. */
function uses({ imports, touches }: SourceFile, name: string): boolean {
  const isLoaded = imports.some(
    ({ target, isTypeOnly }) => !isTypeOnly && (target === name || target.startsWith(`${name}/`)),
  );
  return isLoaded || touches.has(name);
}

/** Every cycle once, as a chain of paths. */
function cycles(graph: Map<string, string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) found.push([...trail.slice(at), path].join(" -> "));
    if (at !== -1 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return found;
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(src, path), "utf8");
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const imports: Import[] = [];
  const touches = new Set<string>();
  const addImport = (specifier: ts.Node | undefined, isTypeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const isInside = specifier.text.startsWith(".");
    const target = isInside ? relative(src, resolve(src, dirname(path), specifier.text)) : specifier.text;
    imports.push({ target, isInside, isTypeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) addImport(node.moduleSpecifier, isTypesOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) addImport(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node)) {
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) addImport(node.arguments[0], false);
      else if (ts.isIdentifier(node.expression)) touches.add(node.expression.text);
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      touches.add(node.expression.text).add(`${node.expression.text}.${node.name.text}`);
    } else if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && !node.arguments?.length) {
      touches.add(`new ${node.expression.text}()`);
    } else if (ts.isImportSpecifier(node)) {
      touches.add((node.propertyName ?? node.name).text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const isTest = /\.(test|contract)\.ts$|-stage\.ts$/.test(path);
  return { path, room: roomOf(path), isTest, text, imports, touches };
}

function isTypesOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  return (
    clause.name === undefined &&
    names !== undefined &&
    ts.isNamedImports(names) &&
    names.elements.every((name) => name.isTypeOnly)
  );
}

/** The cells of the first table below a heading, without its head. */
function tableUnder(heading: string): string[][] {
  const lines = architecture.slice(architecture.indexOf(`\n${heading}\n`)).split("\n");
  const start = lines.findIndex((line) => line.startsWith("|---"));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  const rows = lines.slice(start + 1, end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(rows.length, `a table below ${heading}`).toBeGreaterThan(0);
  return rows;
}

function words(cell: string | undefined): string[] {
  return (cell ?? "").split(/\s+/).filter((word) => word !== "");
}
