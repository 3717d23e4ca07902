// Runs a gateway of its own: free ports on loopback, a directory that is
// removed afterwards.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../../bin/patchbay", import.meta.url));

/** Starts bin/patchbay with the mock provider, whose webhooks carry this secret. */
export async function start(secret) {
  const dir = await mkdtemp(join(tmpdir(), "patchbay-interop-"));
  const [port, adminPort] = await freePorts(2);
  const config = join(dir, "patchbay.yaml");
  await writeFile(
    config,
    `server: {address: "127.0.0.1:${port}", admin_address: "127.0.0.1:${adminPort}"}
payments: {providers: [mock]}
storage: {provider: local}
providers:
  mock: {type: mock, webhook_secrets: ["\${MOCK_WEBHOOK_SECRET}"]}
  local: {type: sqlite, path: ${JSON.stringify(join(dir, "patchbay.db"))}}
`,
  );
  const child = spawn(binary, ["serve", "--config", config], {
    cwd: dir,
    env: { ...process.env, MOCK_WEBHOOK_SECRET: secret },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (log += text));
  let gone; // why it ended, once it has
  const ended = new Promise((resolve) => {
    child.once("error", (err) => resolve((gone = err.message)));
    child.once("exit", (code, signal) => resolve((gone = `exit ${signal ?? code}`)));
  });
  const gateway = {
    url: `http://127.0.0.1:${port}`,
    log: () => log,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await ended;
      clearTimeout(timer);
      await rm(dir, { recursive: true, force: true });
    },
  };
  try {
    await until("the gateway to be ready", 20_000, async () => {
      if (gone) throw new Error(`${binary} ended: ${gone}`);
      const response = await fetch(`${gateway.url}/readyz`).catch(() => undefined); // not listening yet
      return response?.ok;
    });
  } catch (err) {
    await gateway.stop();
    throw new Error(`${err.message}\n${log}`);
  }
  return gateway;
}

/** Polls until check returns something true, which it returns. */
export async function until(what, limit, check) {
  for (const end = Date.now() + limit; Date.now() < end; ) {
    const result = await check();
    if (result) return result;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited ${limit} ms for ${what}`);
}

async function freePorts(n) {
  const servers = Array.from({ length: n }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
