// SPDX-License-Identifier: Apache-2.0
/** API group of the custom resources. */
export const group = "core.riptides.io";
/** Version of the custom resources. */
export const version = "v1alpha1";
/** `apiVersion` of the custom resources. */
export const apiVersion = `${group}/${version}`;
/** Namespace of the custom resources unless the program says otherwise. */
export const defaultNamespace = "riptides-system";
