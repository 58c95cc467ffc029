// Finds visible elements by role and accessible name, as assistive technology would name them.
// arguments: [role, name or null]; returns elements.
const [wantedRole, wantedName] = arguments;
const clean = (text) => (text || "").replace(/\s+/g, " ").trim();
const inputRoles = { checkbox: "checkbox", radio: "radio", range: "slider", number: "spinbutton", search: "searchbox",
  button: "button", submit: "button", reset: "button", text: "textbox", email: "textbox", url: "textbox", tel: "textbox" };
function role(element) {
  const given = element.getAttribute("role");
  if (given) return given.split(" ")[0];
  switch (element.localName) {
    case "a": return element.hasAttribute("href") ? "link" : "";
    case "button": case "summary": return "button";
    case "textarea": return "textbox";
    case "select": return element.multiple || element.size > 1 ? "listbox" : "combobox";
    case "option": return "option";
    case "img": return element.getAttribute("alt") === "" ? "presentation" : "img";
    case "input": return inputRoles[element.type] || "";
    case "h1": case "h2": case "h3": case "h4": case "h5": case "h6": return "heading";
    case "nav": return "navigation";
    case "main": return "main";
    case "dialog": return "dialog";
    case "ul": case "ol": return "list";
    case "li": return "listitem";
    case "progress": return "progressbar";
    case "output": return "status";
    case "fieldset": return "group";
    case "form": return "form";
    default: return "";
  }
}
function visible(element) {
  if (element.closest("[aria-hidden=true], [inert]")) return false;
  const style = getComputedStyle(element);
  if (style.visibility === "hidden" || style.display === "none") return false;
  // What lies in a closed `details` has rectangles, yet nobody sees it.
  const shown = element.getClientRects().length > 0 && element.checkVisibility({ contentVisibilityAuto: true });
  return shown || element.localName === "option";
}
function text(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute("aria-hidden") === "true") return "";
  if (node.getAttribute("aria-label")) return node.getAttribute("aria-label");
  if (node.localName === "img") return node.alt;
  if (["script", "style", "select"].includes(node.localName)) return "";
  return [...node.childNodes].map(text).join(" ");
}
function name(element) {
  const by = element.getAttribute("aria-labelledby");
  if (by) return clean(by.split(/\s+/).map((id) => document.getElementById(id)).filter(Boolean).map(text).join(" "));
  if (element.getAttribute("aria-label")) return clean(element.getAttribute("aria-label"));
  if (element.labels && element.labels.length) return clean([...element.labels].map(text).join(" "));
  if (element.localName === "img") return clean(element.alt);
  if (element.localName === "fieldset") return clean(element.querySelector("legend")?.textContent);
  if (["textarea", "select"].includes(element.localName)) return clean(element.title);
  if (element.localName === "input") return clean(element.value && role(element) === "button" ? element.value : element.title);
  // Only what is read as one thing is named by what it contains.
  const fromContent = ["button", "link", "heading", "option", "tab", "menuitem"].includes(role(element));
  return (fromContent && clean(text(element))) || clean(element.title);
}
if (wantedRole === "unnamed") {
  const controls = ["button", "link", "textbox", "searchbox", "combobox", "slider", "spinbutton", "checkbox", "radio", "img"];
  return [...document.querySelectorAll("*")].filter((element) => controls.includes(role(element)) && visible(element) && !name(element))
    .map((element) => element.outerHTML.slice(0, 200));
}
return [...document.querySelectorAll("*")]
  .filter((element) => role(element) === wantedRole && visible(element) && (wantedName === null || name(element) === clean(wantedName)));
