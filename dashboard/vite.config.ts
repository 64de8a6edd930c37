import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `base: "./"`: every address in the output is relative, so that the server can put the dashboard under any prefix
// by writing a <base href>. Nothing is inlined: the policy forbids data: addresses in scripts and styles.
export default defineConfig({
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../src/plait/server/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: true,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/api": { target: process.env.PLAIT_SERVER ?? "http://127.0.0.1:8080", changeOrigin: true } } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
