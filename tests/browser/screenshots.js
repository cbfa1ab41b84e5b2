// Takes the pictures of the showcase: npm run screenshots, then look into screenshots/.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { launch, open } from "./chromium.js";
import { logIn, start } from "./showcase.js";
import { WebSocket } from "ws";

const folder = fileURLToPath(new URL("screenshots/", import.meta.url));
await mkdir(folder, { recursive: true });
const [server, browser] = await Promise.all([start(), launch()]);

for (const [width, height] of [[1280, 800], [390, 844]]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
    const { page } = await open(context, server.url);
    const shoot = (name, fullPage = false) => page.screenshot({ path: `${folder}${name}-${width}x${height}-${colorScheme}.png`, fullPage });
    const press = (name) => page.getByRole("button", { name, exact: true }).click();
    const shown = (card, text) => page.locator(`#${card}-exchange .status`, { hasText: text }).waitFor();

    await shoot("fresh");
    await shoot("fresh-whole", true);

    await press("Log in");
    await shown("token-auth", "200");
    await press("GET /api/me");
    await page.locator("#token-auth-exchange").getByText("GET /api/me").waitFor();
    await press("Load");
    await shown("conditional-cache", "200");
    await press("Load again, If-None-Match");
    await shown("conditional-cache", "304");
    await page.locator('[data-fail="upstream"]').click();
    await shown("error-mapping", "502");
    await page.locator('[data-upstream="garbage"]').click();
    // By the third time its circuit is open.
    await shown("upstream", /^50[23]/);
    await chat(page);
    await page.locator("#chat-text").blur();
    await page.evaluate(() => scrollTo(0, 0));
    await shoot("used");
    await page.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
    await shoot("used-whole", true);
    for (const part of ["upstream", "upstream-exchange"]) {
      await page.locator(`#${part}`).evaluate((node) => node.scrollIntoView());
      await shoot(part);
    }

    await page.goto(`${server.url}/gallery`, { waitUntil: "networkidle" });
    await shoot("gallery");
    await page.goto(`${server.url}/api/fail/upstream`);
    await shoot("failure");
    await context.close();
  }
}

await browser.close();
await server.stop();
console.log(folder);

async function chat(page) {
  await page.getByRole("button", { name: "Join", exact: true }).click();
  await page.getByText(/^Connected as Tab/).waitFor();
  const { cookie } = await logIn(server);
  const other = new WebSocket(`ws://${server.host}/ws/chat`, { headers: { cookie } });
  await new Promise((resolve) => other.once("open", resolve));
  other.send(JSON.stringify({ from: "Tab 51c4", text: "Is the gate open?" }));
  await page.getByText("Is the gate open?").waitFor();
  await page.locator("#chat-text").fill("Open, and somebody checks who comes in.");
  await page.locator("#chat-text").press("Enter");
  other.close();
}
