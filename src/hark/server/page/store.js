// What was said stays in this browser: turns with their recordings, in IndexedDB; without it, until the next reload.

let opened;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function change(mode, work) {
  try {
    if (!opened) {
      const request = indexedDB.open("hark", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("turns", { keyPath: "id" });
      opened = done(request);
    }
    return await done(work((await opened).transaction("turns", mode).objectStore("turns")));
  } catch {
    return null; // private windows, full disks: the conversation goes on
  }
}

export const keep = (turn) => change("readwrite", (store) => store.put(turn));
export const forget = (id) => change("readwrite", (store) => store.delete(id));
export const clear = () => change("readwrite", (store) => store.clear());
export const kept = async () => (await change("readonly", (store) => store.getAll())) ?? [];
