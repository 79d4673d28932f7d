package main

import (
	"testing"

	"github.com/linewatch/linewatch/shared/cli/clitest"
)

func TestEveryCommandLineOfTheDocumentsIsUnderstood(t *testing.T) {
	clitest.Documents(t, newRoot(), "../../..")
}
