// A site of many images in a folder of its own, and the lazy_images example that serves it.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";

import { start } from "../example.mjs";

export const IMAGES = 100;

/** A PNG of grey noise, four bits a pixel: 600×400 are the 120 kB of a photograph. */
function png(width, height) {
  const rows = Array.from({ length: height }, () => Buffer.concat([Buffer.of(0), randomBytes(width / 2)]));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 4;
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const whole = Buffer.alloc(body.length + 8);
    whole.writeUInt32BE(data.length, 0);
    body.copy(whole, 4);
    whole.writeUInt32BE(crc32(body), body.length + 4);
    return whole;
  };
  const mark = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([mark, chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.concat(rows), { level: 1 })), chunk("IEND", Buffer.alloc(0))]);
}

const page = (head, body) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Towers</title><link rel="icon" href="data:,"><style>img,iframe{display:block;margin:8px 0}img{max-width:100%;height:auto}</style>${head}<h1>Towers</h1>${body}`;

const gallery = (attributes) => Array.from({ length: IMAGES }, (_, number) => `<img src="/img/${number}.png" alt="Tower ${number}"${attributes}>\n`).join("");

const frames = Array.from({ length: 20 }, (_, number) => `<iframe src="/frame/${number}.html" width="600" height="400" title="Tower ${number}"></iframe>\n`).join("");

/** Writes the site; `slow` is the URL of a stylesheet that takes its time. */
export function build(slow) {
  const root = mkdtempSync(join(tmpdir(), "lazy-images-"));
  for (const folder of ["img", "frame"]) mkdirSync(join(root, folder));
  const image = png(600, 400);
  for (let number = 0; number < IMAGES; number += 1) writeFileSync(join(root, "img", `${number}.png`), image);
  for (let number = 0; number < 20; number += 1) writeFileSync(join(root, "frame", `${number}.html`), `<!doctype html><title>${number}</title><p>${number}`);
  writeFileSync(join(root, "img", "hero.png"), png(1000, 400));
  writeFileSync(join(root, "sized.html"), page("", gallery(' width="600" height="400"')));
  writeFileSync(join(root, "unsized.html"), page("", gallery("")));
  writeFileSync(join(root, "frames.html"), page("", frames));
  const hero = '<img src="/img/hero.png" width="1000" height="400" alt="The tower">';
  writeFileSync(join(root, "slow.html"), page(`<link rel="stylesheet" href="${slow}">`, hero + gallery(' width="600" height="400"')));
  return { root, remove: () => rmSync(root, { recursive: true }) };
}

/** A stylesheet that comes after `delay` milliseconds. */
export async function slowStylesheet(delay) {
  const server = createServer((_, response) => setTimeout(() => response.writeHead(200, { "content-type": "text/css", "cache-control": "no-store" }).end("h1{color:#123}"), delay));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/slow.css`, stop: () => server.close().closeAllConnections() };
}

/** Serves `root`; `requests(prefix)` counts what its log tells. */
export async function serve(root, ...options) {
  const server = await start("lazy_images", "--root", root, ...options);
  let since = 0;
  return {
    ...server,
    /** How many different files beneath `prefix` were asked for. */
    requests: (prefix = "/img/") => new Set(server.log().slice(since).split("\n").filter((line) => line.startsWith(`GET ${prefix}`))).size,
    forget: () => (since = server.log().length),
  };
}

/** Waits until `count()` has stayed the same for a while: a lazy image is asked for after the load event. */
export async function settled(count, quiet = 1500) {
  let last = count();
  for (let since = Date.now(); Date.now() - since < quiet; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (count() !== last) [last, since] = [count(), Date.now()];
  }
  return last;
}

/** What a page runs to scroll to its end as a reader would. */
export const scroll = `(async () => {
  for (let top = 0; top < document.documentElement.scrollHeight; top += 300) {
    scrollTo(0, top);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
})()`;

/** Where each image stands, as a page tells. */
export const places = `JSON.stringify([...document.images].map((image) => [image.offsetTop, image.offsetHeight]))`;
