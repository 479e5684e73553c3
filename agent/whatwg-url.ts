// SPDX-License-Identifier: Apache-2.0

/** Stands in for the package of this name in the bundle: node-fetch takes it only where Node has no URL of its own. */
export const URL = globalThis.URL;
export default { URL };
