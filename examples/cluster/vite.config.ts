/** Builds the page of the example into `dist`. */
import { defineConfig } from 'vite';

export default defineConfig({ build: { outDir: 'dist', target: 'es2023' } });
