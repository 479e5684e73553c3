// SPDX-License-Identifier: Apache-2.0
module pulumi-riptides/lab/simulator

go 1.26
