/** A call that was made, as code that makes it again. */

/**
 * @param {import("./api.js").Call} call
 * @param {string} base address of the service
 * @param {boolean} hasKey
 * @returns {Record<string, string>} by language
 */
export function codeOf({ path, field, pictures }, base, hasKey) {
  const url = new URL(path, base).href;
  const names = pictures.map((picture) => picture.name);
  return { curl: curl(url, field, names, hasKey), Python: python(url, field, names, hasKey), JavaScript: script(url, field, hasKey) };
}

/** @param {string} url @param {string} field @param {string[]} names @param {boolean} hasKey */
function curl(url, field, names, hasKey) {
  const parts = names.map((name) => `-F ${quoted(`${field}=@"${name.replace(/["\\]/g, "\\$&")}"`)}`);
  return ["curl", ...(hasKey ? ['-H "Authorization: Bearer $DIGITS_KEY"'] : []), ...parts, quoted(url)].join(" \\\n  ");
}

/** @param {string} url @param {string} field @param {string[]} names @param {boolean} hasKey */
function python(url, field, names, hasKey) {
  const key = hasKey ? '\nheaders = {"Authorization": "Bearer " + os.environ["DIGITS_KEY"]}' : "";
  return `${hasKey ? "import os\n\n" : ""}import httpx

files = [("${field}", open(name, "rb")) for name in ${JSON.stringify(names).replaceAll(",", ", ")}]${key}
answer = httpx.post(${JSON.stringify(url)}, files=files${hasKey ? ", headers=headers" : ""})
print(answer.raise_for_status().json())`;
}

/** @param {string} url @param {string} field @param {boolean} hasKey */
function script(url, field, hasKey) {
  return `const body = new FormData();
for (const file of input.files) body.append("${field}", file);
const answer = await fetch(${JSON.stringify(url)}, {
  method: "POST",
  body,${hasKey ? "\n  headers: { Authorization: `Bearer ${key}` }," : ""}
});
console.log(await answer.json());`;
}

/** @param {string} text for a shell */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
