// Lays out /api/openapi.json: routes by noun, with parameters, bodies and answers. Text only, no markup from the data.
"use strict";

function element(tag, text, ...children) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
}

function typeName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of ${typeName(schema.items)}`;
  const variants = schema.oneOf || schema.anyOf;
  if (variants) return variants.map(typeName).filter((name) => name !== "null").join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  return [].concat(schema.type || "any").filter((name) => name !== "null").join(" or ");
}

function rows(title, head, data) {
  if (!data.length) return [];
  const table = element("table");
  table.append(element("tr", "", ...head.map((name) => element("th", name))));
  for (const cells of data) table.append(element("tr", "", ...cells.map((cell) => element("td", cell))));
  return [element("h4", title), table];
}

function body(content) {
  return Object.entries(content || {}).map(([kind, media]) => `${typeName(media.schema)} (${kind})`).join(", ");
}

function route(path, method, operation) {
  const summary = element("summary", "", element("b", method.toUpperCase()), element("code", path));
  const box = element("details", "", summary, element("p", operation.summary || operation.description || ""));
  const parameters = (operation.parameters || []).map((p) => [
    p.name, p.in, typeName(p.schema) + (p.required ? "" : ", optional"), p.description || "",
  ]);
  box.append(...rows("Parameters", ["name", "in", "type", ""], parameters));
  if (operation.requestBody) box.append(element("p", `Body: ${body(operation.requestBody.content)}`));
  const answers = Object.entries(operation.responses || {}).map(([status, answer]) => [
    status, body(answer.content), answer.description || "",
  ]);
  box.append(...rows("Answers", ["status", "type", ""], answers));
  return box;
}

function type(name, schema) {
  const box = element("details", "", element("summary", "", element("code", name)));
  box.append(element("p", schema.description || ""));
  const required = new Set(schema.required || []);
  const fields = Object.entries(schema.properties || {}).map(([field, of]) => [
    field, typeName(of) + (required.has(field) ? "" : ", optional"), of.description || "",
  ]);
  box.append(...rows("Fields", ["name", "type", ""], fields));
  if (!fields.length) box.append(element("pre", JSON.stringify(schema, null, 2)));
  return box;
}

async function show() {
  const main = document.getElementById("routes");
  const answer = await fetch("/api/openapi.json");
  const description = await answer.json();
  document.getElementById("about").textContent = description.info.description || "";
  const nouns = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const noun = (operation.tags || ["other"])[0];
      if (!nouns.has(noun)) nouns.set(noun, []);
      nouns.get(noun).push(route(path, method, operation));
    }
  }
  main.replaceChildren();
  for (const [noun, routes] of nouns) main.append(element("h2", noun), ...routes);
  main.append(element("h2", "types"));
  for (const [name, schema] of Object.entries(description.components.schemas)) main.append(type(name, schema));
}

show().catch((error) => {
  document.getElementById("routes").replaceChildren(element("p", `The description cannot be read: ${error}`));
});
