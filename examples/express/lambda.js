// An Express app, as a function: aws-serverless-express turns events into requests.
'use strict'
const express = require('express')
const awsServerlessExpress = require('aws-serverless-express')
const { eventContext } = require('aws-serverless-express/middleware')

const app = express()
app.use(require('compression')(), require('cors')(), require('body-parser').json({ limit: '1mb' }), eventContext())

const users = [{ id: 1, name: 'Joe' }, { id: 2, name: 'Jane' }]
const find = (id) => users.findIndex((u) => u.id === Number(id))

app.get('/', (req, res) => res.type('html').send('<h1>users</h1>'))
app.get('/users', (req, res) => res.json(users))
app.get('/users/:id', (req, res) => {
  const at = find(req.params.id)
  return at < 0 ? res.status(404).json({}) : res.json(users[at])
})
app.post('/users', (req, res) => {
  const user = { id: users.length + 1, name: req.body.name }
  users.push(user)
  res.status(201).json(user)
})
app.put('/users/:id', (req, res) => {
  const at = find(req.params.id)
  if (at < 0) return res.status(404).json({})
  users[at].name = req.body.name
  return res.json(users[at])
})
app.delete('/users/:id', (req, res) => {
  const at = find(req.params.id)
  if (at < 0) return res.status(404).json({})
  users.splice(at, 1)
  return res.json(users)
})
app.get('/named/:name', (req, res) => res.json({ name: req.params.name, stage: req.apiGateway.event.requestContext.stage }))

const server = awsServerlessExpress.createServer(app)
exports.handler = (event, context) => awsServerlessExpress.proxy(server, event, context)
