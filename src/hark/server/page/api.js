// Requests to the server that this page came from: with its key, errors in words, uploads and events as they come.

let key = sessionStorage.getItem("hark-key") || "";
let asking = null;
let ask = async () => null;

export const withKey = (question) => { ask = question; };
export const currentKey = () => key;

export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

function worded(status, text) {
  try {
    const { error } = JSON.parse(text);
    const said = typeof error === "string" ? error : error.message;
    if (said) return new ServerError(said, status);
  } catch { /* it is no answer of hark: a proxy's page, perhaps */ }
  return new ServerError(`The server answered with status ${status}.`, status);
}

// One dialog at a time, however many requests were refused.
async function newKey(refused) {
  if (refused !== key) return true;
  asking ??= ask(Boolean(refused)).finally(() => { asking = null; });
  const given = await asking;
  if (!given) return false;
  key = given;
  sessionStorage.setItem("hark-key", key);
  return true;
}

export async function get(path) {
  const used = key;
  let answer;
  try {
    answer = await fetch(path, { headers: used ? { Authorization: `Bearer ${used}` } : {}, cache: "no-store" });
  } catch {
    throw new ServerError("The server cannot be reached.");
  }
  if (answer.status === 401 && await newKey(used)) return get(path);
  if (!answer.ok) throw worded(answer.status, await answer.text());
  return answer.json();
}

// fetch() does not tell how far an upload is; XMLHttpRequest does, and gives events as they come.
export async function post(path, body, { signal, onupload, onevent }) {
  const used = key;
  try {
    return await sent(path, body, { used, signal, onupload, onevent });
  } catch (error) {
    if (error.status !== 401 || !await newKey(used)) throw error;
    return post(path, body, { signal, onupload, onevent });
  }
}

function sent(path, body, { used, signal, onupload, onevent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let read = 0;
    const events = () => {
      if (request.status !== 200) return;
      for (;;) {
        const end = request.responseText.indexOf("\n\n", read);
        if (end < 0) return;
        const line = request.responseText.slice(read, end);
        read = end + 2;
        if (line.startsWith("data: {")) onevent(JSON.parse(line.slice(6)));
      }
    };
    const fail = (error) => { request.onprogress = null; request.abort(); reject(error); };
    const reading = () => { try { events(); } catch (error) { fail(error); } };
    request.upload.onprogress = ({ loaded, total }) => onupload(total ? loaded / total : 0);
    request.upload.onload = () => onupload(1);
    request.onprogress = reading;
    request.onload = () => {
      if (request.status !== 200) { reject(worded(request.status, request.responseText)); return; }
      reading();
      // A stream that breaks off looks like one that ends, but for this line.
      if (request.responseText.includes("data: [DONE]", read - 20 > 0 ? read - 20 : 0)) resolve();
      else reject(new ServerError("The answer broke off."));
    };
    request.onerror = () => reject(new ServerError("The server cannot be reached, or the connection broke."));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", path);
    if (used) request.setRequestHeader("Authorization", `Bearer ${used}`);
    if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
    request.send(body);
  });
}

// A stream has its status before it fails: then an event tells.
export function checked(event) {
  if (event.error) throw new ServerError(event.error.message ?? event.error, 500);
  return event;
}
