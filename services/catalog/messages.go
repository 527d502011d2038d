package main

import (
	"context"
	"fmt"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/bus"
)

const (
	// itemUpdated is the key of the event that an item was made or changed. Its body is its [Facts];
	// whoever keeps a copy ignores a version that is not above the one that they have.
	itemUpdated = "item.updated"

	stockChanged = "stock.changed"
	eventQueue   = "catalog.events"
)

func updated(ctx context.Context, f Facts) (kit.Message, error) {
	return kit.NewEvent(ctx, itemUpdated, f)
}

// Level is what stock.changed tells.
type Level struct {
	Item      string `json:"item_id"`
	Available int64  `json:"available"`
	Version   int64  `json:"version"`
}

// changes consumes what inventory tells of stock. It needs no inbox: a second copy, or one that
// comes late, is not above the version that is there.
func (s store) changes() bus.Consumer {
	return bus.Consumer{
		Queue:  eventQueue,
		Events: []string{stockChanged},
		Waits:  true,
		Handle: func(ctx context.Context, m kit.Message) error {
			var l Level
			if err := m.Decode(&l); err != nil {
				return bus.Permanent(err)
			}
			if l.Item == "" || l.Version < 1 {
				return bus.Permanent(fmt.Errorf("handle %s: it names no item or version", m.Key))
			}
			return s.restock(ctx, l)
		},
	}
}
