/**
 * The lint plugin of the house rules that no built-in rule knows. They hold in the whole tree.
 *
 * - `house/private-fields`: `#name`, never the `private` keyword, which vanishes at run time.
 * - `house/named-exports`: no default exports (a lint plugin must have one).
 * - `house/static-imports`: no `import()`; the graph that the layers check reads must be whole.
 * - `house/error-messages`: a capital first, no period last.
 * - `house/function-size`: functions of at most 70 lines, tests excepted.
 * - `house/ignore-reasons`: whoever silences a rule or the compiler says why.
 */
import { pathInTree } from "./rooms.ts";

/** The most lines a function may span. */
export const FUNCTION_LINES_MAX = 70;

const privateFields: Deno.lint.Rule = {
  create(context) {
    const report = (node: Deno.lint.Node) => {
      context.report({
        node,
        message: "The `private` keyword does not hold at run time",
        hint: "Name the member #likeThis",
      });
    };
    const check = (
      node: Deno.lint.Node & { accessibility: Deno.lint.Accessibility | undefined },
    ) => {
      if (node.accessibility === "private") report(node);
    };
    return {
      PropertyDefinition: check,
      MethodDefinition: check,
      TSAbstractPropertyDefinition: check,
      TSAbstractMethodDefinition: check,
      AccessorProperty: check,
      TSParameterProperty(node) {
        // Deno leaves `accessibility` out of this node.
        if (/^private\b/.test(context.sourceCode.getText(node))) report(node);
      },
    };
  },
};

const namedExports: Deno.lint.Rule = {
  create(context) {
    if (pathInTree(context.filename).startsWith("scripts/lint/")) return {};
    const message = "A default export has no name of its own";
    const hint = "Export by name";
    return {
      ExportDefaultDeclaration: (node) => context.report({ node, message, hint }),
      ExportSpecifier(node) {
        const { exported } = node;
        const name = exported.type === "Identifier" ? exported.name : exported.value;
        if (name === "default") context.report({ node, message, hint });
      },
    };
  },
};

const staticImports: Deno.lint.Rule = {
  create(context) {
    return {
      ImportExpression(node) {
        context.report({
          node,
          message: "A dynamic import hides an edge from the layers check",
          hint: "Import at the top of the file",
        });
      },
    };
  },
};

const errorMessages: Deno.lint.Rule = {
  create(context) {
    if (pathInTree(context.filename).startsWith("tests/")) return {};
    return {
      NewExpression(node) {
        if (node.callee.type !== "Identifier" || !node.callee.name.endsWith("Error")) return;
        // The message is the first text of several words; before it may stand a kind or a code.
        const argument = node.arguments.find((argument) =>
          /^["'`].* /s.test(context.sourceCode.getText(argument))
        );
        if (argument === undefined) return;
        const message = context.sourceCode.getText(argument).slice(1, -1);
        if (/^[a-z]/.test(message)) {
          context.report({ node: argument, message: "An error message starts with a capital" });
        }
        if (/\.$/.test(message) && !message.endsWith("...")) {
          context.report({ node: argument, message: "An error message ends without a period" });
        }
      },
    };
  },
};

/** The number of lines that `node` spans. */
export function lineCount(context: Deno.lint.RuleContext, node: Deno.lint.Node): number {
  return context.sourceCode.getText(node).split("\n").length;
}

const functionSize: Deno.lint.Rule = {
  create(context) {
    if (pathInTree(context.filename).startsWith("tests/")) return {};
    const check = (node: Deno.lint.Node) => {
      const lines = lineCount(context, node);
      if (lines <= FUNCTION_LINES_MAX) return;
      context.report({
        node,
        message: `A function of ${lines} lines: the most is ${FUNCTION_LINES_MAX}`,
        hint: "Split it, or ignore this rule for it with a reason",
      });
    };
    return {
      FunctionDeclaration: check,
      FunctionExpression: check,
      ArrowFunctionExpression: check,
    };
  },
};

const IGNORE = /^\s*(?:(deno-lint-ignore(?:-file)?)\b|(@ts-(?:ignore|expect-error|nocheck))\b)/;

const ignoreReasons: Deno.lint.Rule = {
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const directive = IGNORE.exec(comment.value);
          if (directive === null) continue;
          const lint = directive[1];
          const rest = comment.value.slice(directive[0].length);
          const reason = lint === undefined ? rest : rest.split(" -- ")[1] ?? "";
          if (/\w/.test(reason)) continue;
          context.report({
            range: comment.range,
            message: `${lint ?? directive[2]} without a reason`,
            hint: lint === undefined
              ? "Say why behind it"
              : `Say why: // ${lint} some-rule -- the reason`,
          });
        }
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "private-fields": privateFields,
    "named-exports": namedExports,
    "static-imports": staticImports,
    "error-messages": errorMessages,
    "function-size": functionSize,
    "ignore-reasons": ignoreReasons,
  },
};

export default plugin;
