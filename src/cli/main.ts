#!/usr/bin/env node
import { execute } from './execute.ts';

await execute(process.argv.slice(2));
