/**
 * The lint plugin that keeps the two worlds apart.
 *
 * - `purity/environment`: in storage/, net/, actors/ and mod.ts nothing reads the clock, rolls
 *   dice, schedules work or reaches the machine by itself; only the deno_*.ts adapters do. A
 *   simulated cluster replays from its seed only as long as this holds.
 * - `purity/synchronous`: an actor's handler never awaits. Promises exist at the public edges only:
 *   actors/client/, actors/sim/ and actors/start_*.ts.
 *
 * The plugin sees names, not scopes: a banned name counts wherever it is written, except as the
 * name of a property, a type, or of something the file declares itself where the name is a common
 * word. Deno shows a plugin nothing after an empty statement in a block; `deno fmt` removes those.
 */
import { isDeterministic, isSynchronous, pathInTree } from "./rooms.ts";

/** What to use instead of a global of the real world. */
const BANNED: Readonly<Record<string, string>> = {
  Deno: "go through an interface that a deno_*.ts file implements",
  performance: "use the injected Clock",
  setTimeout: "use the injected timers",
  setInterval: "use the injected timers",
  setImmediate: "tell the actor a message",
  clearTimeout: "use the injected timers",
  clearInterval: "use the injected timers",
  clearImmediate: "tell the actor a message",
  queueMicrotask: "tell the actor a message",
  crypto: "use the injected Random",
  WeakRef: "garbage collection differs between runs",
  FinalizationRegistry: "garbage collection differs between runs",
  Worker: "use Environment.compute",
  SharedWorker: "use Environment.compute",
  BroadcastChannel: "tell the actor a message",
  MessageChannel: "tell the actor a message",
  WebSocket: "use the injected Network",
  XMLHttpRequest: "use the injected Network",
  Temporal: "use the injected Clock",
  globalThis: "name what you need, or have it injected",
};

/** The same for names that a file may well give to something of its own. */
const BANNED_UNLESS_DECLARED: Readonly<Record<string, string>> = {
  console: "use the injected Logger",
  fetch: "use the injected Network",
  process: "go through an interface that a deno_*.ts file implements",
  scheduler: "tell the actor a message",
};

/** Globals that stay in use except for these members. */
const BANNED_MEMBERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Date: { now: "use the injected Clock" },
  Math: { random: "use the injected Random" },
  Atomics: {
    wait: "a handler never blocks",
    waitAsync: "tell the actor a message",
  },
};

const environment: Deno.lint.Rule = {
  create(context) {
    if (!isDeterministic(pathInTree(context.filename))) return {};
    const soft: Deno.lint.Identifier[] = [];
    const declared = new Set<string>();
    const report = (node: Deno.lint.Node, what: string, instead: string) => {
      context.report({
        node,
        message: `${what} does not replay in the simulation: ${instead}`,
        hint: "Time, chance, disk, network and heavy work come through Environment",
      });
    };
    return {
      Identifier(node) {
        const name = node.name;
        if (isDeclaration(node)) declared.add(name);
        if (isPropertyName(node) || (isTypeName(node) && name !== "Deno")) return;
        const instead = BANNED[name];
        if (Object.hasOwn(BANNED, name) && instead !== undefined) report(node, name, instead);
        else if (Object.hasOwn(BANNED_UNLESS_DECLARED, name)) soft.push(node);
        else if (Object.hasOwn(BANNED_MEMBERS, name)) {
          const use = bannedUse(node);
          if (use !== undefined) report(node, use.what, use.instead);
        }
      },
      "Program:exit"() {
        for (const node of soft) {
          const instead = BANNED_UNLESS_DECLARED[node.name];
          if (!declared.has(node.name) && instead !== undefined) report(node, node.name, instead);
        }
      },
    };
  },
};

/** What is wrong with this use of `Date`, `Math` or `Atomics`, if anything. */
function bannedUse(node: Deno.lint.Identifier): { what: string; instead: string } | undefined {
  const parent = node.parent;
  if (parent.type === "MemberExpression" && parent.object === node) {
    const member = memberName(parent);
    if (member === undefined) {
      return { what: `${node.name}[…]`, instead: "name the member" };
    }
    const members = BANNED_MEMBERS[node.name] ?? {};
    const instead = Object.hasOwn(members, member) ? members[member] : undefined;
    return instead === undefined ? undefined : { what: `${node.name}.${member}`, instead };
  }
  if (node.name === "Date" && parent.type === "NewExpression" && parent.callee === node) {
    if (parent.arguments.length > 0) return undefined;
    return { what: "new Date()", instead: "use the injected Clock" };
  }
  if (node.name === "Date" && isOperandOfInstanceof(node)) return undefined;
  if (node.name === "Date" && parent.type === "CallExpression" && parent.callee === node) {
    return { what: "Date()", instead: "use the injected Clock" };
  }
  return { what: `${node.name} as a value`, instead: "name the member where it is used" };
}

function memberName(node: Deno.lint.MemberExpression): string | undefined {
  if (!node.computed) return node.property.type === "Identifier" ? node.property.name : undefined;
  return node.property.type === "Literal" && typeof node.property.value === "string"
    ? node.property.value
    : undefined;
}

function isOperandOfInstanceof(node: Deno.lint.Identifier): boolean {
  return node.parent.type === "BinaryExpression" && node.parent.operator === "instanceof";
}

/** Whether the identifier only names a member: `x.setTimeout`, `{ setTimeout: … }`. */
function isPropertyName(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
    case "PropertyDefinition":
    case "MethodDefinition":
    case "TSPropertySignature":
    case "TSMethodSignature":
      return parent.key === node && !parent.computed;
    default:
      return MEMBER_PARENTS.has(parent.type);
  }
}

const MEMBER_PARENTS: ReadonlySet<string> = new Set([
  "AccessorProperty",
  "TSAbstractPropertyDefinition",
  "TSAbstractMethodDefinition",
  "TSAbstractAccessorProperty",
  "TSEnumMember",
  "LabeledStatement",
  "BreakStatement",
  "ContinueStatement",
  "MetaProperty",
]);

/** Whether the identifier stands where only types and their parameters do. */
function isTypeName(node: Deno.lint.Identifier): boolean {
  return TYPE_PARENTS.has(node.parent.type);
}

const TYPE_PARENTS: ReadonlySet<string> = new Set([
  "TSTypeReference",
  "TSQualifiedName",
  "TSInterfaceHeritage",
  "TSClassImplements",
  "TSTypeParameter",
  "TSTypeAliasDeclaration",
  "TSInterfaceDeclaration",
  "TSImportType",
  "TSTypePredicate",
  "TSTypeQuery",
  "TSNamedTupleMember",
  "TSFunctionType",
  "TSConstructorType",
  "TSMethodSignature",
  "TSCallSignatureDeclaration",
  "TSConstructSignatureDeclaration",
]);

/** Whether the identifier gets a meaning here: a variable, parameter, function, class, import. */
function isDeclaration(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  switch (parent.type) {
    case "VariableDeclarator":
      return parent.id === node;
    case "AssignmentPattern":
      return parent.left === node;
    case "ArrowFunctionExpression":
      return parent.body !== node;
    case "Property":
      return (parent.parent as Deno.lint.Node).type === "ObjectPattern";
    default:
      return DECLARING_PARENTS.has(parent.type);
  }
}

const DECLARING_PARENTS: ReadonlySet<string> = new Set([
  "ArrayPattern",
  "ClassDeclaration",
  "FunctionDeclaration",
  "FunctionExpression",
  "ImportDefaultSpecifier",
  "ImportNamespaceSpecifier",
  "ImportSpecifier",
  "RestElement",
  "TSParameterProperty",
]);

const synchronous: Deno.lint.Rule = {
  create(context) {
    if (!isSynchronous(pathInTree(context.filename))) return {};
    const report = (node: Deno.lint.Node, what: string) => {
      context.report({
        node,
        message: `${what} in an actor: a handler finishes at once`,
        hint: "What completes later comes back as a message; promises belong to the public edge",
      });
    };
    const reportAsync = (node: Deno.lint.Node & { async: boolean }) => {
      if (node.async) report(node, "async function");
    };
    return {
      FunctionDeclaration: reportAsync,
      FunctionExpression: reportAsync,
      ArrowFunctionExpression: reportAsync,
      AwaitExpression: (node) => report(node, "await"),
      ForOfStatement(node) {
        if (node.await) report(node, "for await");
      },
      Identifier(node) {
        if (node.name !== "Promise" || isPropertyName(node) || isTypeName(node)) return;
        report(node, "Promise");
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "purity",
  rules: { environment, synchronous },
};

export default plugin;
