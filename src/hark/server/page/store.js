// What was said stays in this browser: turns with their recordings, in IndexedDB; where there is none, until reload.

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("hark", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("turns", { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function change(mode, work) {
  try {
    const store = (await open()).transaction("turns", mode).objectStore("turns");
    const request = work(store);
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return undefined; // private windows, full disks: the conversation goes on without
  }
}

export const keep = (turn) => change("readwrite", (store) => store.put(turn));
export const forget = (id) => change("readwrite", (store) => store.delete(id));
export const clear = () => change("readwrite", (store) => store.clear());
export const kept = async () => (await change("readonly", (store) => store.getAll())) ?? [];
