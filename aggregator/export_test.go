package aggregator

import "github.com/linewatch/linewatch/shared/wire"

// Told is what agents are told of the keys that sign receipts.
func (a *Aggregator) Told() []wire.Cosigner { return a.wireCosigners() }
