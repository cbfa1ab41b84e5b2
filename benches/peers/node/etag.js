// What a shallow entity tag costs in Express (npm etag) and in Fastify (@fastify/etag), in nanoseconds for each KiB of content.
//
//     npm ci && node etag.js
//
// Prints `name size ns`, the median of the turns, and `each-KiB name ns`, the slope between the two sizes; tab-separated.
"use strict";
const etag = require("etag");
const fastifyEtag = require("@fastify/etag");

const SIZES = [1 << 10, 1 << 16];
const TURNS = 161;
const TURN_NS = 1e6;

/** The plugin's own hook, without the server around it. */
function fastify(options) {
  let hook;
  fastifyEtag({ addHook: (_name, added) => (hook = added) }, options);
  const request = { headers: {} };
  return (content) => {
    let tag;
    hook(request, { getHeader: () => undefined, header: (_name, value) => (tag = value) }, content, () => {});
    return tag;
  };
}

const contenders = { "express etag": etag, "@fastify/etag sha1": fastify({}), "@fastify/etag sha256": fastify({ algorithm: "sha256" }) };

function time(hash, content, count) {
  const start = process.hrtime.bigint();
  for (let done = 0; done < count; done++) hash(content);
  return Number(process.hrtime.bigint() - start) / count;
}

const content = (size) => Buffer.from("The quick brown fox jumps over the lazy dog. ".repeat(size / 45 + 1)).subarray(0, size);
const medians = {};
for (const size of SIZES) {
  const bytes = content(size);
  const samples = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let turn = -20; turn < TURNS; turn++) {
    for (const [name, hash] of Object.entries(contenders)) {
      const count = Math.ceil(TURN_NS / (size * 0.6 + 1000));
      const ns = time(hash, bytes, count);
      // The first turns are for the compiler.
      if (turn >= 0) samples[name].push(ns);
    }
  }
  for (const [name, all] of Object.entries(samples)) {
    const median = all.sort((one, other) => one - other)[all.length >> 1];
    (medians[name] ??= []).push(median);
    console.log(`${name}\t${size}\t${median.toFixed(1)}`);
  }
}
for (const [name, [small, large]] of Object.entries(medians)) {
  console.log(`each-KiB\t${name}\t${((large - small) / ((SIZES[1] - SIZES[0]) >> 10)).toFixed(1)}`);
}
