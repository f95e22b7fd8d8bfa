// The page as people use it, in an installed Chromium. Argument: JSON with the addresses; output: JSON of what was seen.

import { chromium } from "playwright-core";
import { readFile } from "node:fs/promises";

const given = JSON.parse(process.argv[2]);
const flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${given.microphone}%noloop`, "--autoplay-policy=no-user-gesture-required"];
const browser = await chromium.launch({ executablePath: given.chromium, args: flags });
const seen = { console: [], foreign: [], violations: [] };

async function open(url, options = {}) {
  const context = await browser.newContext({ permissions: ["microphone"], viewport: { width: 1000, height: 800 }, ...options });
  await context.exposeFunction("tellViolation", (text) => seen.violations.push(text));
  await context.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => window.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("console", (message) => {
    const refused = options.refused && message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !refused) seen.console.push(message.text());
  });
  page.on("pageerror", (error) => seen.console.push(error.stack));
  page.on("dialog", (dialog) => { seen.console.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) seen.foreign.push(request.url());
  });
  await page.goto(`${url}/`);
  return page;
}

const ready = (page) => page.waitForSelector("#picker:not([hidden])");
const answered = (page, count) => page.waitForFunction((n) => document.querySelectorAll(".turn.model").length >= n
  && !document.querySelector("[data-busy]") && document.querySelector("#send").textContent === "Send", count);
const upload = async (page, name, count = 1) => {
  await page.setInputFiles("#files", `${given.examples}/${name}`);
  await page.waitForFunction((n) => document.querySelectorAll("#tray .clip").length === n, count);
};
const ask = async (page, text) => { await page.fill("#prompt", text); await page.click("#send"); };
const task = (page, name) => page.locator(`#tasks input[value=${name}]`).check({ force: true });
const answers = (page) => page.locator(".turn.model .text").allInnerTexts();
const saved = async (page, form, count) => {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".view").nth(count).getByRole("button", { name: `Download as ${form}` }).click()]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf-8") };
};

const scenarios = {
  async asks() {
    const page = await open(given.main);
    await ready(page);
    await upload(page, "order.flac");
    await ask(page, "What is ordered?");
    await answered(page, 1);
    await ask(page, "Is that all?");
    await answered(page, 2);
    const before = await answers(page);
    await upload(page, "hesitant.flac"); // it waits to be sent
    await page.reload();
    await ready(page);
    const after = { answers: await answers(page), asked: await page.locator(".turn.user .text").allInnerTexts(), waiting: await page.locator("#tray .name").allInnerTexts() };
    await page.locator(".turn .play").click();
    await page.waitForFunction(() => document.querySelector(".turn .name span:last-child").textContent.startsWith("0:01 /"));
    await page.click("#new");
    await page.waitForFunction(() => !document.querySelector(".turn, #tray .clip"));
    await page.reload();
    await ready(page);
    return { before, after, left: await page.locator(".turn, #tray .clip").count() };
  },

  async records() {
    const page = await open(given.main);
    await ready(page);
    await page.click("[data-way=record]");
    await page.waitForFunction(() => document.querySelector("#clock").textContent === "0:02");
    await page.click("#finish");
    await page.waitForSelector("#tray .clip");
    const time = await page.locator("#tray .name span:last-child").innerText();
    await ask(page, "What is said?");
    await answered(page, 1);
    await page.click("#record");
    await page.waitForSelector("#recording:not([hidden])");
    await page.click("#discard");
    await page.waitForSelector("#recording", { state: "hidden" });
    return { time, answers: await answers(page), left: await page.locator("#tray .clip").count() };
  },

  async talks() {
    const page = await open(given.main);
    await ready(page);
    await page.selectOption("#model", "slow");
    const states = [];
    await page.exposeFunction("tellState", (text) => states.push(text));
    await page.evaluate(() => new MutationObserver(() => window.tellState(document.querySelector("#state").textContent)).observe(document.querySelector("#state"), { childList: true }));
    await page.click("#talk");
    await page.waitForFunction(() => document.querySelectorAll(".turn.model").length === 2, null, { timeout: 30000 });
    await page.waitForFunction(() => document.querySelectorAll(".turn.model")[1].querySelector(".text")?.textContent.split(" ").length > 4);
    await page.click("#hush");
    await page.waitForFunction(() => document.querySelectorAll(".turn.model .soft").length === 2);
    const why = await page.locator(".turn.model .soft").allInnerTexts();
    await page.keyboard.press("Escape");
    await page.waitForSelector("#composer:not([hidden])");
    const spoken = await page.locator(".turn.user .text").allInnerTexts();
    const clips = await page.locator(".turn.user .name span:last-child").allInnerTexts();
    await page.selectOption("#model", "echo");
    await ask(page, "What did I say first?");
    await answered(page, 3);
    return { states, why, spoken, clips, answers: await answers(page) };
  },

  async views() {
    const page = await open(given.main, { acceptDownloads: true });
    await ready(page);
    await page.selectOption("#model", "builtin");
    await upload(page, "order.flac");
    await task(page, "transcript");
    await page.click("#send");
    await answered(page, 1);
    const lines = await page.locator(".view .line span").allInnerTexts();
    await page.locator(".view .line").first().click();
    await page.waitForFunction(() => document.querySelector(".view .line.now") && document.querySelector(".turn .name span:last-child").textContent.includes("/"));
    const srt = await saved(page, "SRT", 0);
    await page.selectOption("#model", "echo");
    const headings = [];
    for (const [number, name] of ["notes", "understanding", "music"].entries()) {
      await task(page, name);
      await page.click("#send");
      await answered(page, number + 2);
      headings.push(await page.locator(".view h3").last().innerText());
    }
    return { lines, srt, headings, notes: await saved(page, "HTML", 1), music: await page.locator(".view.music dd").allInnerTexts(), failed: await page.locator(".turn .error").allInnerTexts() };
  },

  async escapes() {
    const page = await open(given.main);
    await ready(page);
    await page.selectOption("#model", "evil");
    await upload(page, "order.flac");
    await ask(page, "<b>bold</b>");
    await answered(page, 1);
    return { answers: await answers(page), asked: await page.locator(".turn.user .text").innerText(), made: await page.locator(".turn img, .turn b, .turn script").count() };
  },

  async fails() {
    const page = await open(given.main, { refused: true });
    await ready(page);
    await page.selectOption("#model", "bad");
    await upload(page, "order.flac");
    await ask(page, "What is ordered?");
    const error = await page.locator(".turn .error").innerText();
    await page.selectOption("#model", "echo");
    await page.getByRole("button", { name: "Try again" }).click();
    await answered(page, 1);
    await page.route("**/v1/chat/completions", (route) => route.abort());
    await ask(page, "And now?");
    const gone = await page.locator(".turn .error").innerText();
    return { error, gone, answers: await answers(page) };
  },

  async stops() {
    const page = await open(given.main);
    await ready(page);
    await page.selectOption("#model", "slow");
    await upload(page, "order.flac");
    await ask(page, "Tell me a lot");
    await page.waitForFunction(() => document.querySelector(".turn.model .text")?.textContent.split(" ").length > 3);
    await page.fill("#prompt", "Another");
    await page.keyboard.press("Enter");
    const asked = await page.locator(".turn.user").count();
    await page.waitForTimeout(1100); // what came is kept once a second
    await page.reload();
    await ready(page);
    const kept = await page.locator(".turn.model").innerText();
    await page.getByRole("button", { name: "Try again" }).click();
    await page.waitForFunction(() => document.querySelector(".turn.model .text")?.textContent.split(" ").length > 3);
    await page.click("#send");
    await page.waitForFunction(() => document.querySelector(".turn.model .soft"));
    return { asked, kept, stopped: await page.locator(".turn.model").innerText() };
  },

  async unlocks() {
    const page = await open(given.locked, { refused: true });
    await page.waitForSelector("#keyed[open]");
    const focus = await page.evaluate(() => document.activeElement.id);
    await page.keyboard.type("not-the-right-key-at-all");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#keysaid").className === "error");
    await page.waitForSelector("#keyed[open]");
    await page.fill("#key", given.key);
    await page.keyboard.press("Enter");
    await ready(page);
    await upload(page, "order.flac");
    await ask(page, "What is ordered?");
    await answered(page, 1);
    await page.reload();
    await ready(page);
    await page.click("#talk");
    await page.waitForFunction(() => document.querySelector("#state").textContent === "Listening");
    await page.click("#end");
    return { focus, answers: await answers(page), stored: await page.evaluate(() => Object.keys(localStorage).concat(Object.keys(sessionStorage))) };
  },

  async drops() {
    const page = await open(given.main, { refused: true });
    await ready(page);
    const data = [...await readFile(`${given.examples}/order.flac`)];
    const drop = (names) => page.evaluate(([bytes, every]) => {
      const held = new DataTransfer();
      for (const name of every) held.items.add(new File([name.startsWith("empty") ? "" : new Uint8Array(bytes)], name, { type: "audio/flac" }));
      for (const kind of ["dragenter", "dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: held, bubbles: true, cancelable: true }));
    }, [data, names]);
    await drop(["one.flac", "two.flac"]);
    await page.waitForFunction(() => document.querySelectorAll("#tray .clip").length === 2);
    await page.getByRole("button", { name: "Remove one.flac" }).click();
    await drop(["empty.flac"]);
    await page.waitForSelector("#problem:not([hidden])");
    const problem = await page.locator("#problem").innerText();
    const tray = await page.locator("#tray .name span:first-child").allInnerTexts();
    await page.click("#web");
    await page.fill("#link", "http://127.0.0.1:9/clip.wav");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("#tray .clip").length === 2);
    await ask(page, "What is in them?");
    return { problem, tray, refused: await page.locator(".turn .error").innerText() };
  },

  async keyboard() {
    const page = await open(given.main, { viewport: { width: 390, height: 844 } });
    await ready(page);
    const press = async (key, until) => {
      for (let n = 0; n < 40; n += 1) {
        await page.keyboard.press(key);
        const now = await page.evaluate(() => { const at = document.activeElement; return at.id || at.className || at.value || at.tagName; });
        if (now === until) return n;
      }
      throw new Error(`${key} does not lead to ${until}`);
    };
    await press("Tab", "attach");
    let chooser = null; // Chromium shows none while its window is not in front, which takes it a while on a busy machine
    for (let n = 0; n < 5 && !chooser; n += 1) {
      await page.bringToFront();
      [chooser] = await Promise.all([page.waitForEvent("filechooser", { timeout: 4000 }).catch(() => null), page.keyboard.press("Enter")]);
    }
    await chooser.setFiles(`${given.examples}/order.flac`);
    await page.waitForSelector("#tray .clip");
    await page.keyboard.type("What is ordered?");
    await page.keyboard.press("Enter");
    await answered(page, 1);
    await press("Shift+Tab", "wave");
    await page.keyboard.press("ArrowRight");
    const slider = await page.locator(".turn .wave").getAttribute("aria-valuetext");
    await press("Tab", "prompt");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("ArrowRight"); // the next task
    const chosen = await page.locator("#tasks input:checked").getAttribute("value");
    await press("Tab", "send");
    await page.keyboard.press("Enter");
    await answered(page, 2);
    const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea, [role=slider]")].filter((one) =>
      one.offsetParent && !(one.textContent.trim() || one.getAttribute("aria-label") || one.title || one.labels?.length)).map((one) => one.outerHTML));
    return { slider, chosen, nameless, wide: await page.evaluate(() => document.documentElement.scrollWidth) };
  },
};

async function tried([name, run]) {
  try { return [name, await run()]; } catch (error) { return [name, { error_: error.stack }]; }
}
const { keyboard, ...others } = scenarios; // a file chooser opens only in the window in front
const found = [await tried(["keyboard", keyboard]), ...await Promise.all(Object.entries(others).map(tried))];
await browser.close();
console.log(JSON.stringify({ ...seen, ...Object.fromEntries(found) }));
