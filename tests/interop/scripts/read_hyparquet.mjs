// hyparquet from npm, in node: the Delta log is replayed here, since npm has no reader of Delta.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { resolve } = createRequire(`${process.env.NODE_FOLDER}/`);
const load = (name) => import(pathToFileURL(resolve(name)).href);
const { asyncBufferFromFile, parquetReadObjects } = await load("hyparquet");
const { compressors } = await load("hyparquet-compressors");

// The files of a table: every commit of the log adds some and removes some.
function files(table, version = Infinity) {
  const log = `${table}/_delta_log`;
  const commits = readdirSync(log)
    .filter((name) => /^\d{20}\.json$/.test(name))
    .sort();
  const live = new Map();
  for (const name of commits.filter((name) => parseInt(name, 10) <= version))
    for (const line of readFileSync(`${log}/${name}`, "utf8").split("\n").filter(Boolean)) {
      const { add, remove } = JSON.parse(line);
      if (remove) live.delete(remove.path);
      if (add) live.set(add.path, add.partitionValues);
    }
  return [...live];
}

async function read(table, version) {
  const found = [];
  for (const [path, partition] of files(table, version)) {
    const file = await asyncBufferFromFile(`${table}/${decodeURIComponent(path)}`);
    for (const row of await parquetReadObjects({ file, compressors }))
      found.push({ ...row, ...partition });
  }
  return found;
}

async function means(table) {
  const groups = new Map();
  for (const row of await read(table))
    groups.set(row.level, [...(groups.get(row.level) ?? []), row.r2]);
  return [...groups].map(([level, values]) =>
    [level, values.length, values.reduce((sum, each) => sum + each) / values.length]);
}

const plain = (value) =>
  typeof value === "bigint" ? Number(value) : Array.isArray(value) ? value.map(plain) : value;

const answers = {
  count: async ({ table, version }) => (await read(table, version)).length,
  means: ({ table }) => means(table),
  rows: async ({ table, columns, version, assembly_id: wanted }) => {
    const found = (await read(table, version)).filter((row) => !wanted || row.assembly_id === wanted);
    return found.map((row) => columns.map((name) => plain(row[name])));
  },
};

async function answer({ ask, ...given }) {
  try {
    const begun = performance.now();
    return { answer: await answers[ask](given), seconds: (performance.now() - begun) / 1000 };
  } catch (error) {
    return { error: String(error) };
  }
}

const version = (name) => JSON.parse(readFileSync(`${process.env.NODE_FOLDER}/node_modules/${name}/package.json`)).version;
const asked = JSON.parse(readFileSync(0, "utf8"));
const found = {};
for (const [name, question] of Object.entries(asked)) found[name] = await answer(question);
const versions = { hyparquet: version("hyparquet"), "hyparquet-compressors": version("hyparquet-compressors") };
process.stdout.write(JSON.stringify({ versions, answers: found }));
