// SPDX-License-Identifier: Apache-2.0
module pulumi-riptides/bench/engine

go 1.26

require pulumi-riptides/engine v0.0.0

require pulumi-riptides/lab/simulator v0.0.0 // indirect

replace (
	pulumi-riptides/engine => ../../engine
	pulumi-riptides/lab/simulator => ../../lab/simulator
)
