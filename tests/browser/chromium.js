// Debian's Chromium, headless, with a profile of its own that is thrown away.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const OPTIONS = {
  executablePath: CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
};

function assertInstalled() {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`${CHROMIUM} is not there. Install it (apt-get install chromium), or name another with CHROMIUM=/path`);
  }
}

export async function launch() {
  assertInstalled();
  return chromium.launch(OPTIONS);
}

/** The same with the profile in `folder`, so that its cache outlives it. */
export async function launchWithProfile(folder) {
  assertInstalled();
  return chromium.launchPersistentContext(folder, OPTIONS);
}

/** A page that has loaded, and all that it complained of meanwhile. */
export async function open(context, url) {
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // A 401 that was asked for is logged by the browser as a failed load.
    if (["error", "warning"].includes(message.type()) && !/Failed to load resource|WebSocket connection to/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  await page.locator("html[data-ready]").waitFor();
  return { page, complaints };
}
