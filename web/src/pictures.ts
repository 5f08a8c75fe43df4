// Pictures of an image: those that the page holds, or those of the server, and the overlap of mask and prediction.
import type { Data } from "./data";
import { h } from "./dom";

export type Look = "image" | "mask" | "prediction" | "overlap";

/** Where the pictures of images come from. */
export class Pictures {
  private readonly masks: Set<number>;
  private readonly predictions: Set<number>;

  constructor(private readonly data: Data) {
    this.masks = new Set(data.header.served?.masks);
    this.predictions = new Set(data.header.served?.predictions);
  }

  get full(): boolean {
    return this.data.header.served !== null;
  }

  thumbnail(row: number): string {
    if (this.full) return `thumbnail/${row}`;
    return this.data.smallOf(row)?.photograph ?? "";
  }

  large(row: number, kind: "image" | "mask" | "prediction"): string {
    if (this.full) {
      if (kind === "mask" && !this.masks.has(row)) return "";
      if (kind === "prediction" && !this.predictions.has(row)) return "";
      return `${kind}/${row}`;
    }
    const small = this.data.smallOf(row);
    return (kind === "image" ? small?.photograph : small?.[kind]) ?? "";
  }

  looks(row: number): Look[] {
    const looks: Look[] = ["image"];
    const mask = this.large(row, "mask") !== "";
    const prediction = this.large(row, "prediction") !== "";
    if (mask) looks.push("mask");
    if (prediction) looks.push("prediction");
    if (mask && prediction) looks.push("overlap");
    return looks;
  }
}

/** A small picture, or a box with the name where there is none. */
export function tile(pictures: Pictures, row: number, name: string): HTMLElement {
  const source = pictures.thumbnail(row);
  const blank = () => h("span", { class: "blank", "aria-hidden": "true" }, name.split("/").pop() ?? "");
  if (!source) return blank();
  const image = h("img", { src: source, alt: "", decoding: "async", ...(pictures.full ? { loading: "lazy" } : {}) });
  image.addEventListener("error", () => image.replaceWith(blank()), { once: true });
  return image;
}

async function loaded(source: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

const HIT = [38, 166, 91];
const EXTRA = [224, 80, 160];
const MISSED = [240, 150, 20];

export const OVERLAP = { hit: "#26a65b", extra: "#e050a0", missed: "#f09614" };

/** Draws image, mask and prediction over each other: what both have, what only one has, over a pale copy of the image. */
export async function overlap(pictures: Pictures, row: number, threshold: number): Promise<HTMLCanvasElement> {
  const [image, mask, prediction] = await Promise.all((["image", "mask", "prediction"] as const).map((kind) => loaded(pictures.large(row, kind))));
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
