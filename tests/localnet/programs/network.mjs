// Two machines in one private network, as somebody who knows only golem-js would have them: one serves a page, the other
// one reads it, and so does this program by golem-js's own proxy.
import { GolemNetwork } from "@golem-sdk/golem-js";

const port = Number(process.argv[2]);
const golem = new GolemNetwork();
const seen = {};
try {
  await golem.connect();
  const network = await golem.createNetwork({ ip: "192.168.7.0/24" });
  const order = {
    demand: { workload: { imageTag: "somebody/something:latest", capabilities: ["vpn"] } },
    market: {
      rentHours: 0.25,
      pricing: { model: "linear", maxStartPrice: 10, maxCpuPerHourPrice: 10, maxEnvPerHourPrice: 10 },
    },
    network,
  };
  // One after the other: a node that is not there yet is not told of the next one.
  const rentals = [await golem.oneOf({ order })];
  const server = await rentals[0].getExeUnit();
  rentals.push(await golem.oneOf({ order }));
  const reader = await rentals[1].getExeUnit();
  const serve = "cd /golem/work && echo a note > note && exec python3 -m http.server 8000 > /dev/null 2>&1 &";
  await server.run("/bin/sh", ["-c", serve]);

  const code = `import urllib.request; print(urllib.request.urlopen("http://${server.getIp()}:8000/note").read().decode())`;
  const read = `for n in 1 2 3 4 5 6 7 8 9; do python3 -c '${code}' && break; sleep 1; done`;
  seen.there = (await reader.run("/bin/sh", ["-c", read])).stdout?.toString().trim();

  const proxy = server.createTcpProxy(8000);
  await proxy.listen(port);
  seen.here = (await (await fetch(`http://127.0.0.1:${port}/note`, { headers: { connection: "close" } })).text()).trim();
  await proxy.close();

  await Promise.all(rentals.map((rental) => rental.stopAndFinalize()));
  await golem.destroyNetwork(network);
} finally {
  await golem.disconnect();
}
console.log(JSON.stringify(seen));
