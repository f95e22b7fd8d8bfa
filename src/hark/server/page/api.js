// Requests to the server that this page came from: with its key, errors in words, uploads and events as they come.

let key = sessionStorage.getItem("hark-key") || "";
let asking = null;
let ask;

export const withKey = (question) => { ask = question; };
export const currentKey = () => key;

function failure(status, text) {
  let said = `The server answered with status ${status}.`;
  try {
    const { error } = JSON.parse(text);
    said = error.message ?? error;
  } catch { /* no answer of hark: a proxy's page, perhaps */ }
  return Object.assign(new Error(said), { status });
}

// One dialog at a time, however many requests were refused.
async function renewed(error, used) {
  if (error.status !== 401) throw error;
  if (used !== key) return;
  asking ??= ask(Boolean(used)).finally(() => { asking = null; });
  const given = await asking;
  if (!given) throw error;
  key = given;
  sessionStorage.setItem("hark-key", key);
}

export async function get(path) {
  const used = key;
  const answer = await fetch(path, { headers: used ? { Authorization: `Bearer ${used}` } : {} })
    .catch(() => { throw new Error("The server cannot be reached."); });
  if (answer.ok) return answer.json();
  await renewed(failure(answer.status, await answer.text()), used);
  return get(path);
}

export async function post(path, body, way) {
  const used = key;
  try {
    return await sent(path, body, used, way);
  } catch (error) {
    await renewed(error, used);
    return post(path, body, way);
  }
}

// fetch() does not tell how far an upload is; XMLHttpRequest does, and gives events as they come.
function sent(path, body, used, { signal, onupload, onevent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let read = 0, done = false;
    const take = () => {
      if (request.status !== 200) return;
      for (let end; (end = request.responseText.indexOf("\n\n", read)) >= 0; read = end + 2) {
        const line = request.responseText.slice(read, end);
        if (line === "data: [DONE]") done = true;
        if (!line.startsWith("data: {")) continue;
        const event = JSON.parse(line.slice(6));
        if (event.error) { reject(failure(500, JSON.stringify(event))); return; } // the status was sent before
        onevent(event);
      }
    };
    request.upload.onprogress = ({ loaded, total }) => onupload(loaded / total);
    request.upload.onload = () => onupload(1);
    request.onprogress = take;
    request.onload = () => {
      take();
      if (request.status !== 200) reject(failure(request.status, request.responseText));
      else if (done) resolve();
      else reject(new Error("The answer broke off."));
    };
    request.onerror = () => reject(new Error("The server cannot be reached, or the connection broke."));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", path);
    if (used) request.setRequestHeader("Authorization", `Bearer ${used}`);
    if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
    request.send(body);
  });
}
