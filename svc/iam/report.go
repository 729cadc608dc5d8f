package iam

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"slices"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A report says of every user of an account what credentials he has.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html
type report struct {
	Made time.Time
	CSV  []byte
}

var reports = store.NewTable[report]("iam", "credential-report") // "report"

// reportGood is for how long a report is handed out, and nothing is made anew.
const reportGood = 4 * time.Hour

// columns head a report.
var columns = []string{
	"user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed", "password_next_rotation", "mfa_active",
	"access_key_1_active", "access_key_1_last_rotated", "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
	"access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date", "access_key_2_last_used_region", "access_key_2_last_used_service",
	"cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
}

// What a report says where there is nothing to say.
const (
	nothing     = "N/A"
	unknown     = "no_information"
	unsupported = "not_supported"
)

func (s *Service) reportRoutes() []aws.Route {
	return []aws.Route{
		api.GenerateCredentialReport.To(s.generateCredentialReport, aws.Anywhere),
		api.GetCredentialReport.To(s.getCredentialReport, aws.Anywhere),
	}
}

// loadReport is the account's last report; its time is zero if there is none.
func loadReport(ctx context.Context, r store.Reader, account string) (report, error) {
	have, err := reports.Get(ctx, r, scope(account), "report")
	return have, ignoreMissing(err)
}

// generateCredentialReport makes the report before it answers that it has begun to:
// nobody sees it under way, and who asks again is told that it is complete.
func (s *Service) generateCredentialReport(ctx context.Context, _ *aws.Empty) (*api.GenerateCredentialReportResponse, error) {
	a, now := account(ctx), s.now()
	started, about := api.ReportStateTypeStarted, "No report exists. Starting a new report generation task"
	out := &api.GenerateCredentialReportResponse{}
	return out, s.store.Update(ctx, func(tx store.Tx) error {
		have, err := loadReport(ctx, tx, a)
		if err != nil {
			return err
		}
		if !have.Made.IsZero() && now.Sub(have.Made) <= reportGood {
			complete := api.ReportStateTypeComplete
			*out = api.GenerateCredentialReportResponse{State: &complete}
			return nil
		}
		text, err := s.credentials(ctx, tx, a)
		if err != nil {
			return err
		}
		*out = api.GenerateCredentialReportResponse{State: &started, Description: &about}
		return reports.Put(tx, scope(a), report{now, text}, "report")
	})
}

func (s *Service) getCredentialReport(ctx context.Context, _ *aws.Empty) (*api.GetCredentialReportResponse, error) {
	var have report
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		have, err = loadReport(ctx, r, account(ctx))
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case have.Made.IsZero():
		return nil, api.CredentialReportNotPresentException("Unknown")
	case s.now().Sub(have.Made) > reportGood:
		return nil, api.CredentialReportExpiredException("Unknown")
	}
	format := api.ReportFormatTypeTextCsv
	return &api.GetCredentialReportResponse{Content: have.CSV, GeneratedTime: &have.Made, ReportFormat: &format}, nil
}

// credentials writes the report: root first, then the users by name, as AWS without
// a line feed at the end.
func (s *Service) credentials(ctx context.Context, r store.Reader, account string) ([]byte, error) {
	root, err := s.rootRow(ctx, r, account)
	if err != nil {
		return nil, err
	}
	rows := [][]string{columns, root}
	for e, err := range principals.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{string(user)}}) {
		if err != nil {
			return nil, err
		}
		row, err := s.userRow(ctx, r, account, &e.Record)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	var out bytes.Buffer
	err = csv.NewWriter(&out).WriteAll(rows)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// rootRow is the line of the account's root, who has no password here and of whom
// nobody knows since when he is there.
func (s *Service) rootRow(ctx context.Context, r store.Reader, account string) ([]string, error) {
	ids, err := owned(ctx, r, account, "")
	if err != nil {
		return nil, err
	}
	row := []string{"<root_account>", aws.NewARN("iam", "", account, "root").String(), unknown, unsupported, unknown, unsupported, unsupported}
	return s.furtherColumns(ctx, r, account, account, ids, row)
}

func (s *Service) userRow(ctx context.Context, r store.Reader, account string, u *principal) ([]string, error) {
	row := []string{u.Name, u.arn(account), stampOf(u.Created)}
	l, err := logins.Get(ctx, r, scope(account), u.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		row = append(row, "false", nothing, nothing, nothing)
	case err != nil:
		return nil, err
	default:
		used, rotation := unknown, nothing
		last, err := s.passwordLastUsed(ctx, r, account, u.ID)
		if err != nil {
			return nil, err
		}
		if last != nil {
			used = stampOf(*last)
		}
		p, err := passwordPolicyOf(ctx, r, account)
		if err != nil {
			return nil, err
		}
		if p != nil && p.MaxAge > 0 {
			rotation = stampOf(l.Changed.AddDate(0, 0, int(p.MaxAge)))
		}
		row = append(row, "true", used, stampOf(l.Changed), rotation)
	}
	return s.furtherColumns(ctx, r, account, u.ID, u.Keys, row)
}

// furtherColumns adds what users and root may have alike: MFA devices, access keys
// and signing certificates. holder is the id that they are kept under.
func (s *Service) furtherColumns(ctx context.Context, r store.Reader, account, holder string, ids, row []string) ([]string, error) {
	mfa := false
	for _, err := range devicesOf.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{holder}, Limit: 1}) {
		if err != nil {
			return nil, err
		}
		mfa = true
	}
	row = append(row, strconv.FormatBool(mfa))
	ids = slices.Sorted(slices.Values(ids))
	for i := range maxKeys {
		if i >= len(ids) {
			row = append(row, "false", nothing, nothing, nothing, nothing)
			continue
		}
		k, err := keys.Get(ctx, r, scope(account), ids[i])
		if err != nil {
			return nil, err
		}
		last, err := s.lastUseIn(ctx, r, account, k.ID)
		if err != nil {
			return nil, err
		}
		row = append(row, strconv.FormatBool(k.Status == api.StatusTypeActive), stampOf(k.Created), stampOf(last.At), orNA(last.Region), orNA(last.Service))
	}
	n := 0
	for e, err := range signingCertificates.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{holder}}) {
		if err != nil {
			return nil, err
		}
		row, n = append(row, strconv.FormatBool(e.Record.Status == api.StatusTypeActive), stampOf(e.Record.Uploaded)), n+1
	}
	for ; n < maxCertificates; n++ {
		row = append(row, "false", nothing)
	}
	return row, nil
}

// stampOf is a time as reports have it; nothing for the zero time.
func stampOf(t time.Time) string {
	if t.IsZero() {
		return nothing
	}
	return t.UTC().Format(time.RFC3339)
}

func orNA(text string) string {
	if text == "" {
		return nothing
	}
	return text
}
