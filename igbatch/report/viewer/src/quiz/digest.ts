/** The digest of a file of answers: as `canonical` and `digest_of` of `igbatch.report.quiz.model` give it. */

// crypto.subtle would do, but browsers lack it on pages that are served without https
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Return what the digest is of: JSON with sorted keys, which are ASCII, and without spaces. */
export function canonical(content: Json): string {
  if (Array.isArray(content)) return `[${content.map(canonical).join(",")}]`;
  if (content === null || typeof content !== "object") return JSON.stringify(content);
  const object = content as { readonly [key: string]: Json };
  const parts = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key]!)}`);
  return `{${parts.join(",")}}`;
}

/** Return the SHA-256 of `canonical`, in UTF-8, as 64 hexadecimal digits. */
export function digestOf(content: Json): string {
  return bytesToHex(sha256(utf8ToBytes(canonical(content))));
}
