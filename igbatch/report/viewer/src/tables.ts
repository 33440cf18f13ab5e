/** Tables that a reader sorts and filters. Without the script they are plain tables. */

import DataTable, { type Api, type Config } from "datatables.net";
import { compareValues, sortValue } from "./order.ts";

/** Rows up to which a table has no pages. */
const PAGE = 50;
/** The largest number of names of a column that are offered as a choice. */
const MAX_CHOICES = 40;

type Value = number | string | null;

// The text of a cell says what it is sorted by; DataTables would take its HTML, where "<" is "&lt;".
DataTable.ext.order.cell = function (this: { api(): Api }, _settings: unknown, column: number): Value[] {
  return cellTexts(this.api(), column).map(sortValue);
};
DataTable.type("cell", {
  order: {
    asc: (one: Value, other: Value) => compareValues(one, other),
    desc: (one: Value, other: Value) => compareValues(one, other, true),
  },
});

/** Make each `table.sortable` of more than one row sortable and filterable, those of many rows in pages. */
export function enhanceTables(root: ParentNode): void {
  for (const table of root.querySelectorAll<HTMLTableElement>("table.sortable")) {
    if (!DataTable.isDataTable(table) && (table.tBodies[0]?.rows.length ?? 0) > 1) enhance(table);
  }
}

function enhance(table: HTMLTableElement): void {
  table.closest(".scroll")?.classList.remove("scroll"); // the filter would scroll away with the columns
  const rows = table.tBodies[0]?.rows.length ?? 0;
  const choices = document.createElement("div");
  choices.className = "table-choices";
  const api = new DataTable(table, config(rows, choices));
  for (const column of api.columns().indexes().toArray() as number[]) {
    const texts = cellTexts(api, column);
    const names = choiceNames(texts);
    if (names) choices.append(choiceOf(api, column, texts, names));
  }
}

function config(rows: number, choices: HTMLElement): Config {
  return {
    autoWidth: false,
    typeDetect: false,
    order: [], // as the page has them
    orderClasses: false,
    columnDefs: [{ targets: "_all", type: "cell", orderDataType: "cell" }],
    paging: rows > PAGE,
    pageLength: PAGE,
    lengthMenu: [PAGE, 200, { label: "all", value: -1 }],
    layout: {
      topStart: "search",
      topEnd: choices,
      bottomStart: "info",
      bottomEnd: rows > PAGE ? ["pageLength", "paging"] : null,
    },
    language: {
      search: "Filter rows",
      info: rows > PAGE ? "Rows _START_ to _END_ of _TOTAL_" : "_TOTAL_ rows",
      infoEmpty: "No row",
      infoFiltered: "(of _MAX_)",
      zeroRecords: "No row has all of this.",
      lengthMenu: "Rows a page _MENU_",
      paginate: { first: "First", previous: "Previous", next: "Next", last: "Last" },
    },
  };
}

/** The texts of a column, by the places of the rows on the page. */
function cellTexts(api: Api, column: number): string[] {
  const cells = api.column(column, { order: "index" }).nodes().toArray() as HTMLElement[];
  return cells.map((cell) => (cell.textContent ?? "").trim());
}

/** The names in a column, in order, where it holds names alone, and few for its rows; else null. */
function choiceNames(texts: string[]): string[] | null {
  const names = [...new Set(texts)].filter((text) => sortValue(text) !== null);
  if (names.length < 2 || names.length > MAX_CHOICES || 2 * names.length > texts.length) return null;
  if (names.some((name) => typeof sortValue(name) === "number")) return null;
  return names.sort((one, other) => compareValues(one, other));
}

function choiceOf(api: Api, column: number, texts: string[], names: string[]): HTMLElement {
  const choice = document.createElement("span");
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.add(new Option("all", ""));
  for (const [place, name] of names.entries()) select.add(new Option(name, String(place)));
  select.id = `${api.table().node().id}-choice-${column}`;
  label.htmlFor = select.id;
  label.textContent = api.column(column).title();
  choice.append(label, select);
  select.addEventListener("change", () => {
    const chosen = select.value === "" ? null : names[Number(select.value)];
    const own = chosen === null ? null : (_: unknown, __: unknown, row: number) => texts[row] === chosen;
    api.column(column).search.fixed("choice", own);
    api.draw();
  });
  return choice;
}
