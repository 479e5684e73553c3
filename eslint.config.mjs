// SPDX-License-Identifier: Apache-2.0
import tseslint from "typescript-eslint";
import importX from "eslint-plugin-import-x";

// The rooms and what each may import (docs/architecture.md). An import against an arrow fails the lint.
const rooms = {
    api: ["api"],
    components: ["components", "api"],
    provider: ["provider", "api"],
    agent: ["agent", "api"],
    // The stand-in plugins speak the same wire protocol as our provider: that one folder is shared, nothing else of it.
    lab: ["lab", "api", "provider/protocol"],
    bench: ["bench", "lab", "api", "provider", "agent", "tests", "scripts"],
    scripts: ["scripts", "api", "components", "provider", "lab"],
};
const everyRoom = ["api", "components", "provider", "agent", "lab", "tests", "bench", "scripts", "examples"];
const zones = Object.entries(rooms).flatMap(([room, allowed]) =>
    everyRoom
        .filter((other) => !allowed.includes(other))
        .map((other) => ({
            target: `./${room}`,
            from: `./${other}`,
            except: allowed
                .filter((path) => path.startsWith(`${other}/`))
                .map((path) => `./${path.slice(other.length + 1)}`),
            message: `${room}/ may import only ${allowed.join(", ")} (docs/architecture.md, rooms)`,
        })),
);

export default tseslint.config(
    { ignores: ["dist/**", "**/node_modules/**", ".lab/**", "api/crd/types.ts"] },
    ...tseslint.configs.recommended,
    {
        files: ["**/*.ts"],
        plugins: { "import-x": importX },
        settings: { "import-x/resolver": { node: { extensions: [".ts", ".js"] } } },
        rules: {
            "import-x/no-restricted-paths": ["error", { zones }],
            "@typescript-eslint/no-unused-vars": [
                "error",
                { argsIgnorePattern: "^_", caughtErrorsIgnorePattern: "^_" },
            ],
            "no-empty": ["error", { allowEmptyCatch: false }],
        },
    },
    {
        // Plain JavaScript that must run before anything is installed, and Pulumi programs loaded by require.
        files: ["**/*.js", "tests/**/*.ts", "lab/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts"],
        rules: { "@typescript-eslint/no-require-imports": "off" },
    },
    {
        // A user's program sees the npm entry only.
        files: ["examples/**/*.ts"],
        rules: {
            "no-restricted-imports": [
                "error",
                { patterns: ["../*/**/api/*", "**/components/*", "**/provider/*", "**/agent/*", "**/lab/*"] },
            ],
        },
    },
);
