// SPDX-License-Identifier: Apache-2.0
module pulumi-riptides/lab/simulator

go 1.26

require github.com/aws/aws-sdk-go-v2 v1.48.0

require github.com/aws/smithy-go v1.28.9 // indirect
