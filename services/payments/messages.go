package main

import (
	"context"

	"msctl.dev/msctl/services/kit"
)

// told returns the event that tells what a payment has become: payment.captured, payment.refused or
// payment.refunded. Its body is the whole [Payment].
func told(ctx context.Context, p Payment) (kit.Message, error) {
	return kit.NewEvent(ctx, "payment."+string(p.Status), p)
}
