// Elements from data. Whatever comes from the server becomes text, never markup.

export function el(name, attributes, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes || {})) {
		if (value === undefined || value === null || value === false) continue;
		if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
		else if (value === true) node.setAttribute(key, "");
		else node.setAttribute(key, value);
	}
	node.append(...children.flat().filter((c) => c !== null && c !== undefined));
	return node;
}

export function card(title, ...children) {
	return el("section", {class: "card"}, title ? el("h2", {}, title) : null, ...children);
}

export function badge(text, kind) {
	return el("span", {class: "badge " + (kind || "")}, text);
}

export function number(n) {
	return Number(n || 0).toLocaleString("en");
}

export function bytes(kb) {
	const units = ["KB", "MB", "GB", "TB"];
	let value = Number(kb || 0), i = 0;
	while (value >= 1024 && i < units.length - 1) { value /= 1024; i++; }
	return (i === 0 ? number(value) : value.toFixed(1)) + " " + units[i];
}

// columns: [{title, value: row => text or node, kind: "n" or "text"}]
export function table(caption, columns, rows, nothing) {
	if (rows.length === 0)
		return el("p", {class: "dim"}, nothing || "Nothing.");
	return el("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
		el("table", {},
			el("caption", {}, caption),
			el("thead", {}, el("tr", {}, columns.map((c) => el("th", {scope: "col", class: c.kind}, c.title)))),
			el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((c) => el("td", {class: c.kind}, c.value(row) ?? "")))))));
}

export function pairs(rows) {
	return el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function toast(text, isBad) {
	const line = el("p", {class: isBad ? "bad" : ""}, text || (isBad ? "It failed." : "Done."));
	document.getElementById("toast").append(line);
	setTimeout(() => line.remove(), isBad ? 12000 : 6000);
}

export function field(label, input) {
	return el("label", {}, label, input);
}

export function select(name, value, options) {
	return el("select", {name}, options.map(([v, text]) => el("option", {value: v, selected: v === value}, text)));
}

// Asks before something is done; details: a node. Resolves to true or false.
export function confirm(title, details, verb) {
	const dialog = document.getElementById("dialog");
	return new Promise((resolve) => {
		const close = (answer) => { dialog.close(); resolve(answer); };
		dialog.replaceChildren(
			el("h2", {id: "dialog-title"}, title), el("div", {}, details),
			el("div", {class: "row"},
				el("button", {type: "button", class: "danger", id: "dialog-yes", onclick: () => close(true)}, verb),
				el("button", {type: "button", id: "dialog-no", autofocus: true, onclick: () => close(false)}, "Cancel")));
		dialog.oncancel = () => resolve(false);
		dialog.showModal();
	});
}
