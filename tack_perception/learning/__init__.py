# SPDX-License-Identifier: Apache-2.0
"""How networks learn: episodes drawn from correspondence data sets, losses, and one training loop.

Import a module by its name: this package itself does not need torch.
"""
