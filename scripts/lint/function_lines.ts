/**
 * A lint plugin that only measures: it reports every function with its number of lines.
 *
 * The sizes check runs it by itself and reads the messages, `<lines> <name>`.
 */
import { lineCount } from "./house.ts";

function nameOf(context: Deno.lint.RuleContext, node: Deno.lint.Node): string {
  if (node.type === "FunctionDeclaration" && node.id !== null) return node.id.name;
  const parent = "parent" in node ? node.parent : undefined;
  switch (parent?.type) {
    case "MethodDefinition":
    case "PropertyDefinition":
    case "Property":
      return context.sourceCode.getText(parent.key);
    case "VariableDeclarator":
      return context.sourceCode.getText(parent.id);
    case "CallExpression":
    case "NewExpression":
      return `(argument of ${context.sourceCode.getText(parent.callee).split("\n")[0]})`;
    default:
      return "(anonymous)";
  }
}

const plugin: Deno.lint.Plugin = {
  name: "measure",
  rules: {
    functions: {
      create(context) {
        const measure = (node: Deno.lint.Node) => {
          const message = `${lineCount(context, node)} ${nameOf(context, node)}`;
          context.report({ node, message });
        };
        return {
          FunctionDeclaration: measure,
          FunctionExpression: measure,
          ArrowFunctionExpression: measure,
        };
      },
    },
  },
};

export default plugin;
