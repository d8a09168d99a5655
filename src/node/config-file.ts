import { parseDocument, type YAMLError } from "yaml";
import { configFileBytesMax, yamlAliasCountMax } from "./config-limits.js";
import { ignoredRaftKeys, type Setting, settingKey, settingList } from "./config-settings.js";
import { ConfigError, type ConfigFile, type ConfigSources } from "./config-types.js";

/** A setting as found, before it is understood. */
export interface Found {
  readonly value: unknown;
  /** Where it was found, as shown in messages: `patroni.yml:raft.ttl`, `--ttl`, a variable's name. */
  readonly source: string;
}

export interface Layers {
  /** The value that wins for each setting; absent where nobody sets it. */
  readonly found: ReadonlyMap<Setting, Found>;
  readonly warnings: readonly string[];
}

type YamlMap = Map<unknown, unknown>;

/** Name of Patroni's variable that holds a whole configuration as text. */
const configurationVariable = "PATRONI_CONFIGURATION";

/** Flags win over the environment, which wins over the file. */
export function readLayers(sources: ConfigSources): Layers {
  const warnings: string[] = [];
  const found = new Map<Setting, Found>();
  const files = filesOf(sources);
  for (const file of files) {
    mergeFile(file, found, warnings);
  }
  // As in Patroni, whose PATRONI_RAFT_* do not count beside a configuration in a variable.
  const wholeInVariable = files[0]?.path === configurationVariable;
  for (const setting of settingList) {
    const value = setting.env === null ? undefined : sources.env[setting.env];
    if (setting.env === null || value === undefined || value === "") {
      continue;
    }
    if (wholeInVariable && setting.section === "raft") {
      warnings.push(`${setting.env} is ignored because ${configurationVariable} is set`);
      continue;
    }
    found.set(setting, { value, source: setting.env });
  }
  for (const setting of settingList) {
    const value = sources.flags[setting.flag];
    if (value !== undefined) {
      const source = sources.flagName?.(setting.flag) ?? setting.option;
      found.set(setting, { value, source });
    }
  }
  warnings.push(...unknownVariables(sources.env));
  return { found, warnings };
}

function filesOf(sources: ConfigSources): readonly ConfigFile[] {
  const { file } = sources;
  if (file !== undefined) {
    return "path" in file ? [file] : file;
  }
  const text = sources.env[configurationVariable];
  return text === undefined || text === "" ? [] : [{ path: configurationVariable, text }];
}

/** Later files override earlier ones key by key; a null takes a key away, as Patroni's merging does. */
function mergeFile(file: ConfigFile, found: Map<Setting, Found>, warnings: string[]): void {
  const root = parseFile(file);
  const raft = sectionOf(root, "raft", file.path);
  const quorate = sectionOf(root, "quorate", file.path);
  const sections = { raft, quorate, "": root } as const;
  for (const setting of settingList) {
    const section = sections[setting.section];
    if (section === "removed") {
      found.delete(setting);
      continue;
    }
    take(section, setting, `${file.path}:${settingKey(setting)}`, found);
    if (setting.alsoInRaft === true && raft instanceof Map) {
      take(raft, setting, `${file.path}:raft.${setting.name}`, found);
    }
  }
  warnUnknown(file.path, { raft, quorate }, warnings);
}

/** A section that the file sets to null is taken away; one that it does not name is left alone. */
function sectionOf(root: YamlMap, name: string, path: string): YamlMap | "removed" {
  const section = root.get(name);
  if (section === undefined) {
    return new Map();
  }
  if (section === null) {
    return "removed";
  }
  if (!(section instanceof Map)) {
    throw new ConfigError(`${path}:${name} must be a mapping of settings to values`);
  }
  return section;
}

function take(
  section: YamlMap,
  setting: Setting,
  source: string,
  found: Map<Setting, Found>,
): void {
  const value = section.get(setting.name);
  if (value === null) {
    found.delete(setting);
  } else if (value !== undefined) {
    found.set(setting, { value, source });
  }
}

function parseFile(file: ConfigFile): YamlMap {
  if (Buffer.byteLength(file.text) > configFileBytesMax) {
    throw new ConfigError(`${file.path} is larger than ${configFileBytesMax} bytes`);
  }
  // YAML 1.1 and duplicate keys, because that is what Patroni's parser reads.
  const document = parseDocument(file.text, {
    version: "1.1",
    uniqueKeys: false,
    prettyErrors: true,
  });
  const fault = document.errors[0];
  if (fault !== undefined) {
    throw new ConfigError(`${file.path} is not valid YAML: ${describeFault(fault)}`);
  }
  let root: unknown;
  try {
    root = document.toJS({ mapAsMap: true, maxAliasCount: yamlAliasCountMax });
  } catch (error) {
    throw new ConfigError(`${file.path} is not usable YAML: too many or unresolved references`, {
      cause: error,
    });
  }
  if (!(root instanceof Map)) {
    throw new ConfigError(`${file.path} does not hold a mapping of settings to values`);
  }
  return root;
}

/** Says what and where, but quotes nothing: the line may hold the password. */
function describeFault(fault: YAMLError): string {
  const what = fault.code.toLowerCase().replaceAll("_", " ");
  const at = fault.linePos?.[0];
  return at === undefined ? what : `${what} at line ${at.line}, column ${at.col}`;
}

function warnUnknown(
  path: string,
  sections: Readonly<Record<"raft" | "quorate", YamlMap | "removed">>,
  warnings: string[],
): void {
  for (const name of ["raft", "quorate"] as const) {
    const section = sections[name];
    for (const key of section === "removed" ? [] : section.keys()) {
      const known = settingList.some(
        (setting) =>
          setting.name === key &&
          (setting.section === name || (name === "raft" && setting.alsoInRaft === true)),
      );
      if (!known && !(name === "raft" && ignoredRaftKeys.has(String(key)))) {
        warnings.push(`${path}:${name}.${String(key)} is not a setting that Quorate knows`);
      }
    }
  }
}

function unknownVariables(env: ConfigSources["env"]): string[] {
  const known = new Set(settingList.map((setting) => setting.env));
  return Object.keys(env)
    .filter((name) => name.startsWith("PATRONI_RAFT_") && !known.has(name))
    .map((name) => `${name} is not a setting that Quorate knows`);
}
