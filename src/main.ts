// Picks the process by the first argument and loads nothing else: the bridge must be ready at node's own start-up time.

const [verb = "", ...rest] = process.argv.slice(2);

if (verb === "mcp" && !rest.includes("--help") && !rest.includes("-h")) {
  const { runBridge } = await import("./bridge/bridge.ts");
  await runBridge(rest);
} else if ((verb === "serve" || verb === "daemon") && !rest.includes("--help") && !rest.includes("-h")) {
  const { main } = await import("./daemon/main.ts");
  process.exitCode = await main(verb, rest);
} else {
  const { runCli } = await import("./cli/cli.ts");
  process.exitCode = await runCli(process.argv.slice(2), process.env, process);
}
