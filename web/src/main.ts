// Brings the page's interactive part to life; where that fails the still figures of the page stand for it.
import { build } from "./app";
import { bytesOf, read } from "./data";
import { PageHost, ServerHost } from "./host";

async function begin(): Promise<void> {
  const root = document.getElementById("explore-app");
  const still = document.getElementById("explore-still");
  if (!root) return;
  try {
    const embedded = document.getElementById("explore-data");
    const block = embedded ? bytesOf(embedded.textContent ?? "") : new Uint8Array(await (await fetch("data")).arrayBuffer());
    const data = await read(block);
    build(root, data, data.header.asked ? new ServerHost(data) : new PageHost(data));
    if (still) still.hidden = true;
  } catch (error) {
    if (still) still.textContent = `This part of the page does not work in this browser (${String(error)}): the figures below show the same, still.`;
  }
}

void begin();
