package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/services/kit/rpc"
)

// TestRefuseTellsWhy takes a refusal over the wire: the caller reads its reason, also through a wrap.
func TestRefuseTellsWhy(t *testing.T) {
	c, _ := start(t, func(context.Context) (string, error) {
		return "", rpc.Refuse(codes.FailedPrecondition, "inventory", "OUT_OF_STOCK",
			map[string]string{"item_id": "mug"}, "%d of %s are left", 2, "mug")
	})
	_, err := say(t.Context(), c)
	if status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != "2 of mug are left" {
		t.Errorf("got %v", err)
	}
	reason, meta := rpc.Reason(fmt.Errorf("reserve: %w", err))
	if reason != "OUT_OF_STOCK" || meta["item_id"] != "mug" {
		t.Errorf("got %q %v, want OUT_OF_STOCK of mug", reason, meta)
	}
}

func TestNoReason(t *testing.T) {
	for _, err := range []error{nil, errors.New("other"), status.Error(codes.NotFound, "none")} {
		if reason, meta := rpc.Reason(err); reason != "" || meta != nil {
			t.Errorf("%v: got %q %v, want none", err, reason, meta)
		}
	}
}
