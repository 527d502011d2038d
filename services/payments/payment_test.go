package main

import (
	"testing"

	"msctl.dev/msctl/services/payments/bank"
)

// TestLearn goes through every status and fact. Captured minus refunded is what the bank has booked.
func TestLearn(t *testing.T) {
	statuses := []Payment{
		{Status: Pending, Amount: 5},
		{Status: Pending, Amount: 5, RefundWanted: true},
		{Status: Captured, Amount: 5, Captured: 5},
		{Status: Captured, Amount: 5, Captured: 5, RefundWanted: true},
		{Status: Refused, Amount: 5, Reason: "r"},
		{Status: Refunded, Amount: 5, Captured: 5, Refunded: 5},
	}
	const no = "" // an error
	want := map[bank.Outcome][]Status{
		bank.Unknown:  {no, no, no, no, no, no},
		bank.Taken:    {Captured, Captured, Captured, Captured, no, Refunded},
		bank.Refused:  {Refused, Refused, no, no, Refused, no},
		bank.Void:     {Refused, Refused, no, no, Refused, no},
		bank.Returned: {Refunded, Refunded, Refunded, Refunded, no, Refunded},
	}
	booked := map[Status]int64{Captured: 5}
	for outcome, nexts := range want {
		for i, p := range statuses {
			next, err := p.learn(bank.Fact{Outcome: outcome, Reason: "r"})
			if err != nil {
				if nexts[i] != no || next != p {
					t.Errorf("%+v and %v: got %+v, %v", p, outcome, next, err)
				}
				continue
			}
			if next.Status != nexts[i] || next.Captured-next.Refunded != booked[next.Status] {
				t.Errorf("%+v and %v: got %+v, want %s", p, outcome, next, nexts[i])
			}
			if next.RefundWanted != (p.RefundWanted && next.Status == Captured) {
				t.Errorf("%+v and %v: refund wanted: %v", p, outcome, next.RefundWanted)
			}
			if again, err := next.learn(bank.Fact{Outcome: outcome, Reason: "r"}); err != nil || again != next {
				t.Errorf("%+v and %v twice: got %+v, %v", p, outcome, again, err)
			}
		}
	}
}
