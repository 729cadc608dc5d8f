package firehose

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tule-cloud/tule/aws"
)

// A copying is what Redshift is to read: a manifest of objects.
type copying struct {
	manifest *object
	sent     *object // where the manifest lies, once it is among the objects
}

// copyTime is how long one COPY may take.
const copyTime = 15 * time.Minute

// manifest adds to a shipment the manifest of its objects, and what is to be done with it.
// https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html
func (d *delivery) manifest(sh *shipment, oldest time.Time) error {
	type entry struct {
		URL       string `json:"url"`
		Mandatory bool   `json:"mandatory"`
	}
	var list struct {
		Entries []entry `json:"entries"`
	}
	b := d.plan.bucket
	for _, o := range sh.objects {
		if o.metric == "DeliveryToS3" {
			list.Entries = append(list.Entries, entry{"s3://" + b.bucket + "/" + o.key, true})
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	m := d.moment(b, oldest, "manifest")
	key := d.suffix(m, "manifest")
	sh.objects = append(sh.objects, &object{to: b, key: b.prefix.text(m) + "manifests/" + m.at.Format(hours) + key, body: text, metric: "BackupToS3"})
	sh.table = &copying{sent: sh.objects[len(sh.objects)-1],
		manifest: &object{to: b, key: b.prefix.text(m) + "errors/manifests/" + m.at.Format(hours) + key, body: text, metric: "BackupToS3"}}
	return nil
}

// copy lets Redshift read what lies in S3. Where it does not within the time that the
// stream says, the manifest is put among the errors.
func (d *delivery) copy(ctx context.Context, sh *shipment) (done bool, err error) {
	c := d.plan.to.Redshift
	err = d.runCopy(ctx, "s3://"+d.plan.bucket.bucket+"/"+sh.table.sent.key)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err == nil {
		d.measureDelivery("DeliveryToRedshift", true, 0, d.job.batch.Bytes)
		sh.table = nil
		return true, nil
	}
	d.measureDelivery("DeliveryToRedshift", false, 0, 0)
	d.report(ctx, d.plan.log, d.logRole(), trouble{destination: *c.ClusterJDBCURL, code: "Redshift.CopyFailed", message: err.Error()})
	if !d.over() {
		return false, fmt.Errorf("%w: %w", errHeld, err)
	}
	sh.objects, sh.table = append(sh.objects, sh.table.manifest), nil
	return false, nil
}

// runCopy is the command, by PostgreSQL's protocol.
func (d *delivery) runCopy(ctx context.Context, manifest string) error {
	if d.s.Dial == nil {
		return errNoHTTP
	}
	c := d.plan.to.Redshift
	ctx, cancel := d.s.limited(ctx, copyTime)
	defer cancel()
	u, err := url.Parse(strings.TrimPrefix(*c.ClusterJDBCURL, "jdbc:"))
	if err != nil {
		return err
	}
	u.Scheme = "postgres"
	u.User = url.UserPassword(aws.Value(c.Username), aws.Value(c.Password))
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return err
	}
	config.DialFunc = d.s.Dial
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // Dial knows names
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, d.statement(manifest))
	return err
}

// statement is COPY, as the configuration has it.
func (d *delivery) statement(manifest string) string {
	c := d.plan.to.Redshift.CopyCommand
	var b strings.Builder
	b.WriteString("COPY " + *c.DataTableName)
	if columns := aws.Value(c.DataTableColumns); columns != "" {
		b.WriteString(" (" + columns + ")")
	}
	fmt.Fprintf(&b, " FROM '%s' CREDENTIALS 'aws_iam_role=%s' MANIFEST", strings.ReplaceAll(manifest, "'", "''"), d.plan.role)
	if options := aws.Value(c.CopyOptions); options != "" {
		b.WriteString(" " + options)
	}
	return b.String() + ";"
}
