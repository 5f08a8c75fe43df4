// Pictures of an image, by whatever keeps them, and the overlap of mask and prediction.
import { h } from "./dom";
import type { Host, Kind } from "./host";
import type { State } from "./state";

export type Look = "image" | "mask" | "prediction" | "overlap";

/** The pictures of images; predictions are those of the model that is shown. */
export class Pictures {
  constructor(
    private readonly state: State,
    private readonly host: Host,
  ) {}

  get full(): boolean {
    return this.host.full;
  }

  has(row: number, kind: Kind): boolean {
    return this.host.has(row, kind, this.state.model);
  }

  /** Shows a picture in an element; where it cannot be had the element hears of an error, as of a file that cannot be read. */
  show(image: HTMLImageElement, row: number, kind: Kind): void {
    const address = this.host.address(row, kind, this.state.model);
    if (typeof address === "string") image.src = address;
    else
      address.then(
        (text) => (image.src = text),
        () => image.dispatchEvent(new Event("error")),
      );
  }

  async loaded(row: number, kind: Kind): Promise<HTMLImageElement> {
    const image = new Image();
    image.src = await this.host.address(row, kind, this.state.model);
    await image.decode();
    return image;
  }

  looks(row: number): Look[] {
    const looks: Look[] = ["image"];
    const mask = this.has(row, "mask");
    const prediction = this.has(row, "prediction");
    if (mask) looks.push("mask");
    if (prediction) looks.push("prediction");
    if (mask && prediction) looks.push("overlap");
    return looks;
  }
}

/** A small picture, or a box with the name where there is none. */
export function tile(pictures: Pictures, row: number, name: string): HTMLElement {
  const blank = () => h("span", { class: "blank", "aria-hidden": "true" }, name.split("/").pop() ?? "");
  if (!pictures.has(row, "thumbnail")) return blank();
  const image = h("img", { alt: "", decoding: "async", ...(pictures.full ? { loading: "lazy" } : {}) });
  image.addEventListener("error", () => image.replaceWith(blank()), { once: true });
  pictures.show(image, row, "thumbnail");
  return image;
}

const HIT = [38, 166, 91];
const EXTRA = [224, 80, 160];
const MISSED = [240, 150, 20];

export const OVERLAP = { hit: "#26a65b", extra: "#e050a0", missed: "#f09614" };

/** Draws image, mask and prediction over each other: what both have, what only one has, over a pale copy of the image. */
export async function overlap(pictures: Pictures, row: number, threshold: number): Promise<HTMLCanvasElement> {
  const [image, mask, prediction] = await Promise.all((["image", "mask", "prediction"] as const).map((kind) => pictures.loaded(row, kind)));
  const canvas = h("canvas");
  const width = image!.naturalWidth;
  const height = image!.naturalHeight;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const pixels = (source: HTMLImageElement) => {
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.drawImage(source, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  };
  const truth = pixels(mask!).data;
  const found = pixels(prediction!).data;
  const ground = pixels(image!);
  const level = threshold * 255;
  for (let at = 0; at < ground.data.length; at += 4) {
    const hit = truth[at]! > 127;
    const claimed = found[at]! > level;
    const colour = hit ? (claimed ? HIT : MISSED) : claimed ? EXTRA : null;
    const grey = 255 - 0.7 * (255 - (ground.data[at]! + ground.data[at + 1]! + ground.data[at + 2]!) / 3);
    for (let channel = 0; channel < 3; channel++) ground.data[at + channel] = colour ? 0.2 * grey + 0.8 * colour[channel]! : grey;
  }
  context.putImageData(ground, 0, 0);
  return canvas;
}
