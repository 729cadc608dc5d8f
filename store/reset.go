package store

import (
	"context"
	"strings"
)

// Reset deletes the state of one account, of one service, of one service in one
// account, or, with both empty, of all, in one transaction. It is meant for test
// instances.
func Reset(ctx context.Context, st Store, account, service string) error {
	return st.Update(ctx, func(tx Tx) error {
		switch {
		case account == "" && service == "":
			tx.DeleteRange(nil, nil)
			return nil
		case account == "":
			k := appendText([]byte{tagString}, service)
			tx.DeleteRange(k, append(k[:len(k):len(k)], tagEnd))
			return nil
		default:
			return resetAccount(ctx, tx, account, service)
		}
	})
}

// resetAccount goes from table to table and deletes the account's part of each.
func resetAccount(ctx context.Context, tx Tx, account, service string) error {
	var start, end []byte
	if service != "" {
		start = appendText([]byte{tagString}, service)
		end = append(start[:len(start):len(start)], tagEnd)
	}
	for {
		table, err := firstTable(ctx, tx, start, end)
		if err != nil || table == nil {
			return err
		}
		k := appendText(append(table, tagString), account)
		tx.DeleteRange(k, append(k[:len(k):len(k)], tagEnd))
		start = append(table[:len(table):len(table)], tagEnd)
	}
}

// firstTable returns the encoded service and table names of the first record
// between start and end, or nil if there is no record.
func firstTable(ctx context.Context, r Reader, start, end []byte) ([]byte, error) {
	for kv, err := range r.Range(ctx, start, end, RangeOptions{Limit: 1}) {
		if err != nil {
			return nil, err
		}
		raw := string(kv.Key)
		service, err := partLen(raw)
		if err != nil {
			return nil, err
		}
		table, err := partLen(raw[service:])
		if err != nil {
			return nil, err
		}
		return []byte(strings.Clone(raw[:service+table])), nil
	}
	return nil, nil
}
