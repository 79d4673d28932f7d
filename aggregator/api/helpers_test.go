package api_test

import (
	"github.com/linewatch/linewatch/aggregator/store"
)

func storeTokens(tokens ...store.Token) store.Change { return store.Change{Tokens: tokens} }
