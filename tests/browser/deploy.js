// The conditional_cache example behind a proxy that counts, so that one deploy can follow another at one address.

import { once } from "node:events";
import { createServer, request } from "node:http";

import { start } from "../example.mjs";

/** Starts the example over the files of `root`. */
const serve = (root) => start("conditional_cache", "--root", root);

/** One address at which deploys follow each other; `seen()` tells the requests since it was last asked. */
export async function site(root) {
  let origin = await serve(root);
  let seen = [];
  const proxy = createServer((asked, answered) => {
    const { hostname, port } = new URL(origin.url);
    const passed = request({ hostname, port, method: asked.method, path: asked.url, headers: asked.headers, agent: false }, (answer) => {
      seen.push({ path: asked.url, status: answer.statusCode });
      answered.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(answered);
    });
    passed.on("error", () => answered.destroy());
    asked.pipe(passed);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    url: `http://127.0.0.1:${proxy.address().port}/`,
    /** `path status`, sorted, without the icon that browsers ask for by themselves. */
    seen() {
      const lines = seen.filter(({ path }) => path !== "/favicon.ico").map(({ path, status }) => `${path} ${status}`);
      seen = [];
      return lines.sort();
    },
    /** A new process reads the files as they are now. */
    async deploy() {
      const old = origin;
      origin = await serve(root);
      await old.stop();
    },
    async stop() {
      proxy.close().closeAllConnections();
      await origin.stop();
    },
  };
}
