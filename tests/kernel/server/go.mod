module pulumi-riptides/tests/kernel/server

go 1.26
