package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"msctl.dev/msctl/services/kit"
)

// Refuse is the error of a call that the callee will not do, with a reason for programs such as
// "OUT_OF_STOCK", unique in its domain ("inventory"), and what is to be known beside it (nil:
// nothing). The formatted text is for people.
func Refuse(code codes.Code, domain, reason string, meta map[string]string, format string, args ...any) error {
	st := status.New(code, fmt.Sprintf(format, args...))
	info := &errdetails.ErrorInfo{Reason: reason, Domain: domain, Metadata: meta}
	if with, err := st.WithDetails(protoadapt.MessageV1Of(info)); err == nil {
		st = with // it cannot fail but for the code OK, which is no error either
	}
	return st.Err()
}

// Failed is what a caller is told of an err that is no refusal: that their time is over, that something
// behind is away ([kit.Away]: UNAVAILABLE), or else no more than code and text. What it was stands in the log.
func Failed(ctx context.Context, log *slog.Logger, err error, code codes.Code, text string) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	if kit.Away(err) {
		log.WarnContext(ctx, "call degraded", "err", err)
		return status.Error(codes.Unavailable, "something that this needs is away, try again")
	}
	log.ErrorContext(ctx, "call failed", "err", err)
	return status.Error(code, text)
}

// Reason returns why the callee refused, with what [Refuse] was given, or "" where err does not say.
func Reason(err error) (reason string, meta map[string]string) {
	for _, d := range detailsOf(err) {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason(), info.GetMetadata()
		}
	}
	return "", nil
}

// detailsOf finds the status also where err wraps it.
func detailsOf(err error) []any {
	var s interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &s) {
		return nil
	}
	return s.GRPCStatus().Details()
}
