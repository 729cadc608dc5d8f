package iam

import (
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

// A page is which part of a list is wanted.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html
type page struct {
	marker *string
	max    *int32
}

func (p page) size() int {
	if p.max == nil {
		return 100
	}
	return int(*p.max)
}

// position is the sort key of the last element before the page; "" for the first.
func (p page) position() (string, error) {
	if p.marker == nil {
		return "", nil
	}
	var at string
	if !aws.ParseToken(*p.marker, &at) || at == "" {
		return "", api.InvalidInputException("Invalid Marker.")
	}
	return at, nil
}

// marker leads to the page behind the element with that sort key.
func marker(last string) *string {
	m := aws.Token(last)
	return &m
}

// cut is the page of a whole list, which it sorts by name.
func cut[T any](all []T, at page, name func(*T) string) (part []T, next *string, err error) {
	after, err := at.position()
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(name(&a), name(&b)) })
	from := slices.IndexFunc(all, func(x T) bool { return after == "" || name(&x) > after })
	if from < 0 {
		return []T{}, nil, nil
	}
	part = all[from:]
	if len(part) > at.size() {
		part = part[:at.size()]
		next = marker(name(&part[len(part)-1]))
	}
	return part, next, nil
}

func more(next *string) *bool {
	b := next != nil
	return &b
}
