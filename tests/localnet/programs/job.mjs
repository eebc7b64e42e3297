// Two commands as somebody who knows only golem-js would run them: a file there and back, and one that fails.
import { readFileSync, writeFileSync } from "node:fs";
import { GolemNetwork } from "@golem-sdk/golem-js";

const order = {
  demand: { workload: { imageTag: "somebody/something:latest" } },
  market: {
    rentHours: 0.25,
    pricing: { model: "linear", maxStartPrice: 10, maxCpuPerHourPrice: 10, maxEnvPerHourPrice: 10 },
  },
};
const seen = {};
const golem = new GolemNetwork();
try {
  await golem.connect();
  const rental = await golem.oneOf({ order });
  const machine = await rental.getExeUnit();
  writeFileSync("given.txt", "some text\n");
  const results = await machine
    .beginBatch()
    .uploadFile("given.txt", "/golem/input/given.txt")
    .run("/bin/sh", ["-c", "tr a-z A-Z < /golem/input/given.txt > /golem/output/made.txt; echo done"])
    .downloadFile("/golem/output/made.txt", "made.txt")
    .end();
  seen.stdout = results.map((result) => result.stdout?.toString() ?? "").join("");
  seen.file = readFileSync("made.txt", "utf8");
  seen.error = (await machine.run("/bin/sh", ["-c", "exit 7"])).message;
  await rental.stopAndFinalize();
} finally {
  await golem.disconnect();
}
console.log(JSON.stringify(seen));
