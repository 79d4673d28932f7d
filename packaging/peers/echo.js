// Says what it was given, then echoes lines of JSON: the smallest peer, for the
// test of the helpers that start peers.
import { createInterface } from "node:readline";

console.log(JSON.stringify({ args: process.argv.slice(2) }));
createInterface({ input: process.stdin }).on("line", (line) =>
  console.log(JSON.stringify({ echo: JSON.parse(line) })),
);
